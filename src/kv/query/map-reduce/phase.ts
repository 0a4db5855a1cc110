import type { KeyValueStore } from '../../key-value-store.ts';
import type { Item } from './item.ts';
import type { JobBudget } from './job-budget.ts';
import { JobFailure } from './job-failure.ts';
import type { JobScripts } from './job-scripts.ts';

/** One step of a job. `push` may be called again before an earlier call has ended only if `isParallel`. */
export interface Phase {
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
