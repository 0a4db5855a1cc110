/**
 * V8 isolates by `isolated-vm`, an optional package: it is there where npm found a binary for this Node. Each call gets
 * a context of its own; the isolate is used again until a call has met a limit.
 */
import type { Isolate, Reference } from 'isolated-vm';
import {
  functionSource,
  outcomeOfAnswer,
  outcomeOfError,
  preludeSource,
  type SandboxOutcome,
} from '../../sandbox/index.ts';
import { type ProcessRequest, wallFactor } from './process-message.ts';

const mebibyte = 1024 * 1024;
/** The least that the package takes. */
const memoryMbMin = 8;

/** Undefined: it cannot be had here. */
export async function loadIsolatedEngine(memoryBytesMax: number): Promise<IsolatedEngine | undefined> {
  try {
    const { default: isolatedVm } = await import('isolated-vm');
    const memoryLimit = Math.max(memoryMbMin, Math.ceil(memoryBytesMax / mebibyte));
    return new IsolatedEngine(() => new isolatedVm.Isolate({ memoryLimit }));
  } catch (error) {
    // Not installed, or without a binary for this Node: there is another engine.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

export class IsolatedEngine {
  readonly name = 'isolated-vm';
  readonly #makeIsolate: () => Isolate;
  #isolate: Isolate;

  constructor(makeIsolate: () => Isolate) {
    this.#makeIsolate = makeIsolate;
    this.#isolate = makeIsolate();
  }

  /** What a call took is given back with its isolate. */
  get isSpoiled(): boolean {
    return false;
  }

  run(call: ProcessRequest, clock: { elapsedMs(): number }): SandboxOutcome {
    const outcome = this.#outcome(call, clock);
    if (outcome.kind === 'exceeded' || this.#isolate.isDisposed) {
      if (!this.#isolate.isDisposed) this.#isolate.dispose();
      this.#isolate = this.#makeIsolate();
    }
    return outcome;
  }

  #outcome(call: ProcessRequest, clock: { elapsedMs(): number }): SandboxOutcome {
    try {
      const answer = answerOf(this.#isolate, call, clock);
      return outcomeOfAnswer(answer, clock.elapsedMs(), call.limits.outputMax);
    } catch (error) {
      const ranMs = clock.elapsedMs();
      if (this.#isolate.isDisposed) return { kind: 'exceeded', limit: 'memory', ranMs };
      // A function may throw anything.
      const { name, message, stack } =
        error instanceof Error ? error : { name: 'Error', message: String(error), stack: '' };
      if (message === 'Script execution timed out.') return { kind: 'exceeded', limit: 'time', ranMs };
      return outcomeOfError({ name, message, stack: stack ?? '', at: -1 }, ranMs);
    }
  }
}

function answerOf(
  isolate: Isolate,
  { driver, source, input, limits }: ProcessRequest,
  clock: { elapsedMs(): number },
): string {
  const context = isolate.createContextSync();
  try {
    const timeLeft = (): number => Math.max(1, Math.ceil(wallFactor * (limits.runMsMax - clock.elapsedMs())));
    const evaluated = (code: string, filename: string): Reference =>
      context.evalSync(code, { timeout: timeLeft(), reference: true, filename });
    const run = evaluated(preludeSource, 'built-ins.js');
    const applied = evaluated(functionSource(source), 'function.js');
    const args = [driver, applied.derefInto(), input, limits.outputMax];
    return String(run.applySync(undefined, args, { timeout: timeLeft() }));
  } finally {
    if (!isolate.isDisposed) context.release();
  }
}
