/**
 * QuickJS as WebAssembly. Each call gets a runtime and a context of its own. The memory of the WebAssembly instance
 * has an end of its own, too, whatever QuickJS counts; loops, regular expressions and sorts are interrupted alike.
 *
 * Synchronous: whoever runs it waits. In the node that is a process of its own (`runtime/sandbox`).
 */
import type {
  CustomizeVariantOptions,
  QuickJSContext,
  QuickJSHandle,
  QuickJSSyncVariant,
  QuickJSWASMModule,
} from 'quickjs-emscripten-core';
import { preludeSource } from './built-ins.ts';
import type { SandboxCall, SandboxOutcome, ScriptError } from './sandbox.ts';
import { functionSource, outcomeOfAnswer, outcomeOfError } from './script.ts';

/** Of the standard library; no library of types that we use has it. */
declare const WebAssembly: {
  readonly Memory: new (size: {
    readonly initial: number;
    readonly maximum: number;
  }) => NonNullable<CustomizeVariantOptions['wasmMemory']>;
};

const pageBytes = 64 * 1024;
/** What QuickJS itself is built to have at the least. */
const pagesMin = 256;
const stackBytesMax = 256 * 1024;

/** Tells when a call has run long enough; it is asked every so many steps of the interpreter. */
export interface CallClock {
  /** Milliseconds since the call began. */
  elapsedMs(): number;
}

export class QuickJsEngine {
  readonly name = 'quickjs';
  readonly #module: QuickJSWASMModule;
  #isSpoiled = false;

  private constructor(module: QuickJSWASMModule) {
    this.#module = module;
  }

  /** `memoryBytesMax`: of the largest call. Loads the interpreter's code, which a node never does in its own process. */
  static async load(memoryBytesMax: number): Promise<QuickJsEngine> {
    const [{ newQuickJSWASMModuleFromVariant, newVariant }, { default: variantModule }] = await Promise.all([
      import('quickjs-emscripten-core'),
      import('@jitl/quickjs-wasmfile-release-sync'),
    ]);
    const maximum = pagesMin + Math.ceil(memoryBytesMax / pageBytes);
    const wasmMemory = new WebAssembly.Memory({ initial: pagesMin, maximum });
    // Its declarations are those of the CommonJS form.
    const variant = variantModule as unknown as QuickJSSyncVariant;
    return new QuickJsEngine(await newQuickJSWASMModuleFromVariant(newVariant(variant, { wasmMemory })));
  }

  /** It holds more memory than it will give back, or is not whole any more: load another. */
  get isSpoiled(): boolean {
    return this.#isSpoiled;
  }

  run(call: Pick<SandboxCall, 'driver' | 'source' | 'input' | 'limits'>, clock: CallClock): SandboxOutcome {
    const { memoryBytesMax, runMsMax } = call.limits;
    let isOver = false;
    try {
      const runtime = this.#module.newRuntime({
        memoryLimitBytes: memoryBytesMax,
        maxStackSizeBytes: stackBytesMax,
        interruptHandler: () => {
          isOver ||= clock.elapsedMs() > runMsMax;
          return isOver;
        },
      });
      const context = runtime.newContext();
      const answer = answerOf(context, call);
      context.dispose();
      runtime.dispose();
      const outcome =
        typeof answer === 'string'
          ? outcomeOfAnswer(answer, clock.elapsedMs(), call.limits.outputMax)
          : outcomeOfError(answer, clock.elapsedMs());
      if (isOver) return { kind: 'exceeded', limit: 'time', ranMs: clock.elapsedMs() };
      this.#isSpoiled ||= outcome.kind === 'exceeded' && outcome.limit === 'memory';
      return outcome;
    } catch (error) {
      // The stack of the machine ended, or memory where QuickJS cannot go on without: nothing of it may be used again.
      this.#isSpoiled = true;
      const ranMs = clock.elapsedMs();
      if (isOver) return { kind: 'exceeded', limit: 'time', ranMs };
      const { name, message } = error as Error;
      if (name === 'RangeError') return { kind: 'threw', error: { name, message, stack: '', at: -1 }, ranMs };
      return { kind: 'exceeded', limit: 'memory', ranMs };
    }
  }
}

function answerOf(
  context: QuickJSContext,
  { driver, source, input, limits }: Pick<SandboxCall, 'driver' | 'source' | 'input' | 'limits'>,
): string | ScriptError {
  const run = evaluated(context, preludeSource, 'built-ins.js');
  if (!('handle' in run)) return run;
  const applied = evaluated(context, functionSource(source), 'function.js');
  if (!('handle' in applied)) {
    run.handle.dispose();
    return applied;
  }
  const args = [
    context.newString(driver),
    applied.handle,
    context.newString(input),
    context.newNumber(limits.outputMax),
  ];
  const result = context.callFunction(run.handle, context.undefined, ...args);
  for (const arg of [run.handle, ...args]) arg.dispose();
  if (result.error !== undefined) return thrown(context, result.error);
  const answer = context.getString(result.value);
  result.value.dispose();
  return answer;
}

function evaluated(
  context: QuickJSContext,
  source: string,
  file: string,
): { readonly handle: QuickJSHandle } | ScriptError {
  const result = context.evalCode(source, file);
  return result.error === undefined ? { handle: result.value } : thrown(context, result.error);
}

function thrown(context: QuickJSContext, handle: QuickJSHandle): ScriptError {
  const error: unknown = context.dump(handle);
  handle.dispose();
  // Scripts may throw anything.
  const members =
    typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : undefined;
  const { name, message, stack } = members ?? { message: String(error) };
  return { name: textOr(name, 'Error'), message: textOr(message, ''), stack: textOr(stack, ''), at: -1 };
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}
