import type { KvError } from '../../kv-error.ts';

/** Why a job that was begun, or was about to be, ended without its result. */
export type JobProblem =
  | { readonly kind: 'timeout' }
  /** Who asked for it is gone. */
  | { readonly kind: 'cancelled' }
  /** Too many jobs are in progress, or too much else. */
  | { readonly kind: 'overload' }
  /** What the job holds at a time, results that nobody has taken included, is more than it may. */
  | { readonly kind: 'too_large'; readonly bytesMax: number }
  /** The phase could not be begun. */
  | { readonly kind: 'bad_phase'; readonly phase: number; readonly error: string }
  /** A function failed; the texts are for people. */
  | {
      readonly kind: 'phase_failed';
      readonly phase: number;
      readonly error: string;
      readonly input: string;
      readonly type: string;
      readonly stack: string;
    }
  /** The inputs could not be listed, or an object could not be read. */
  | { readonly kind: 'store'; readonly error: KvError };

export class JobFailure extends Error {
  override readonly name = 'JobFailure';
  readonly problem: JobProblem;

  constructor(problem: JobProblem) {
    super(problem.kind);
    this.problem = problem;
  }
}
