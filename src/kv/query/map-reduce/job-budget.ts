/** What one job may take: time, memory, and turns of the event loop. */
import type { Clock, Instant, Tasks } from '../../../environment/index.ts';
import { assert } from '../../../stdx/index.ts';
import { JobFailure, type JobProblem } from './job-failure.ts';

export interface JobLimits {
  /** Milliseconds for the whole job. */
  readonly timeoutMs: number;
  /** Bytes of inputs, intermediate values and results that it holds at a time. */
  readonly heldBytesMax: number;
  /** Milliseconds that its JavaScript may run, all calls together. */
  readonly scriptMsMax: number;
}

export class JobBudget {
  readonly limits: JobLimits;
  readonly #clock: Clock;
  readonly #tasks: Pick<Tasks, 'endOfTurn'>;
  readonly #deadline: Instant;
  #heldBytes = 0;
  #scriptMs = 0;
  #problem: JobProblem | undefined;
  readonly #ended = new AbortController();

  constructor(
    environment: { readonly clock: Clock; readonly tasks: Pick<Tasks, 'endOfTurn'> },
    limits: JobLimits,
  ) {
    this.limits = limits;
    this.#clock = environment.clock;
    this.#tasks = environment.tasks;
    this.#deadline = (this.#clock.now() + limits.timeoutMs) as Instant;
  }

  /** The job goes no further than its next step. */
  end(problem: JobProblem): void {
    this.#problem ??= problem;
    this.#ended.abort();
  }

  /** For what is under way when it ends. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  get hasEnded(): boolean {
    return this.#problem !== undefined;
  }

  /** Milliseconds, at least one. Throws `JobFailure` if the job has ended or its time is over. */
  timeLeft(): number {
    const left = this.#deadline - this.#clock.now();
    if (left <= 0) this.end({ kind: 'timeout' });
    if (this.#problem !== undefined) throw new JobFailure(this.#problem);
    return Math.max(1, left);
  }

  /** Throws `JobFailure` as `timeLeft` does, or if it is too much. */
  hold(bytes: number): void {
    this.timeLeft();
    this.#heldBytes += bytes;
    if (this.#heldBytes > this.limits.heldBytesMax) {
      this.end({ kind: 'too_large', bytesMax: this.limits.heldBytesMax });
      this.timeLeft();
    }
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes;
    assert(this.#heldBytes >= 0, 'only what is held is released');
  }

  get scriptMsLeft(): number {
    return Math.max(0, this.limits.scriptMsMax - this.#scriptMs);
  }

  scriptRan(ms: number): void {
    this.#scriptMs += ms;
  }

  /** Lets everything else of this node have its turn. */
  pause(): Promise<void> {
    return new Promise((resolve) => this.#tasks.endOfTurn(resolve));
  }
}
