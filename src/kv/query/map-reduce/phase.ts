import type { KeyValueStore } from '../../key-value-store.ts';
import type { Item } from './item.ts';
import type { JobBudget } from './job-budget.ts';
import { JobFailure } from './job-failure.ts';
import type { JobScripts } from './job-scripts.ts';

/** One step of a job. What it returns it has entered into the budget, by `sizeOfAll`; who takes it releases it. */
export interface Phase {
  /** Items that it takes at a time: what it makes of them goes on before it is given more. */
  readonly pushLength: number;
  push(items: readonly Item[]): Promise<readonly Item[]>;
  /** After the last `push`. */
  finish(): Promise<readonly Item[]>;
}

/** What the phases of a job share. */
export interface PhaseTools {
  readonly store: Pick<KeyValueStore, 'get' | 'properties'>;
  readonly budget: JobBudget;
  readonly scripts: JobScripts;
  /** For what is tried again. */
  readonly wait: (ms: number) => Promise<void>;
}

const shownMax = 1024;

export function phaseFailed(
  phase: number,
  what: { readonly error: string; readonly input: string; readonly type: string; readonly stack?: string },
): JobFailure {
  return new JobFailure({
    kind: 'phase_failed',
    phase,
    error: what.error.slice(0, shownMax),
    input: what.input.slice(0, shownMax),
    type: what.type,
    stack: (what.stack ?? '[]').slice(0, 4 * shownMax),
  });
}

/** What is longer than V8 can make a string, or deeper than its stack, fails the phase that works on it. */
export async function withinLimits<T>(phase: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw phaseFailed(phase, { error: error.message, input: '', type: 'limit' });
  }
}
