/** What is used of the package, which is not installed wherever this is compiled. */
declare module 'isolated-vm' {
  export interface Reference {
    applySync(receiver: undefined, args: readonly unknown[], options: { readonly timeout: number }): unknown;
    derefInto(): unknown;
    release(): void;
  }

  export interface Context {
    evalSync(
      code: string,
      options: { readonly timeout: number; readonly reference: true; readonly filename: string },
    ): Reference;
    release(): void;
  }

  export interface Isolate {
    readonly isDisposed: boolean;
    createContextSync(): Context;
    dispose(): void;
  }

  const isolatedVm: {
    readonly Isolate: new (options: { readonly memoryLimit: number }) => Isolate;
  };
  export default isolatedVm;
}
