/** How many requests this node works on at once, and whether it takes more. */
import type { KvError } from './kv-error.ts';

export class Admission {
  readonly #inProgressMax: number;
  readonly #isLoaded: () => boolean;
  #inProgress = 0;
  #stopping = false;
  #idle: (() => void) | undefined;

  /** `isLoaded`: storage has as much to do as it may. */
  constructor(inProgressMax: number, isLoaded: () => boolean) {
    this.#inProgressMax = inProgressMax;
    this.#isLoaded = isLoaded;
  }

  get inProgress(): number {
    return this.#inProgress;
  }

  get isStopping(): boolean {
    return this.#stopping;
  }

  /** Why a request is refused before anything has happened; undefined: it is not. */
  refusal(): KvError | undefined {
    if (this.#stopping) return { code: 'stopping' };
    return this.#inProgress >= this.#inProgressMax || this.#isLoaded() ? { code: 'overload' } : undefined;
  }

  /** Every request that enters leaves once. */
  enter(): void {
    this.#inProgress += 1;
  }

  leave(): void {
    this.#inProgress -= 1;
    if (this.#inProgress === 0) this.#idle?.();
  }

  /** Refuses what comes. Resolves when all that had entered have left. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#inProgress > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }
}
