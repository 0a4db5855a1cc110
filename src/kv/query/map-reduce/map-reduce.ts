/**
 * MapReduce: jobs over objects, run by the node that was asked. Objects are read at the bucket's quorums, so that a
 * job sees all that was acknowledged before it began; what changes meanwhile it may see or not. A job yields a whole
 * result or says why not.
 *
 * J1  A result is of all inputs; anything that cannot be listed, read or computed fails the job.
 * J2  Jobs, their time, their memory and the time of their scripts are bounded, each by a setting.
 * J3  A job holds up nobody: it works in steps, and its reads give way when the node is busy.
 */
import type { Environment } from '../../../environment/index.ts';
import type { Sandbox } from '../../../sandbox/index.ts';
import type { KeyValueStore } from '../../key-value-store.ts';
import type { IndexQuerying } from '../index-queries.ts';
import type { MapReduceJob } from './job.ts';
import { JobBudget } from './job-budget.ts';
import { JobFailure } from './job-failure.ts';
import { JobScripts } from './job-scripts.ts';
import { type ResultSink, runJob } from './run-job.ts';

export interface MapReduceSettings {
  readonly jobsMax: number;
  /** Milliseconds of a job that names no timeout. */
  readonly timeoutMs: number;
  readonly timeoutMsMax: number;
  readonly heldBytesMax: number;
  readonly scriptMsMax: number;
  readonly scriptMemoryBytesMax: number;
  /** Bytes of a job as it is sent. */
  readonly requestBytesMax: number;
}

export interface MapReduceParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks'>;
  readonly store: KeyValueStore;
  readonly settings: MapReduceSettings;
  /** Absent: jobs with JavaScript are refused. */
  readonly sandbox?: Sandbox | undefined;
  /** Absent: jobs over indexes are refused. */
  readonly indexes?: IndexQuerying | undefined;
  readonly observer?: MapReduceObserver | undefined;
}

export interface MapReduceObserver {
  jobFinished(durationMs: number, failed: boolean): void;
}

/** A job in progress. */
export interface JobRun {
  /** Rejects with `JobFailure`. The sink is not called afterwards. */
  readonly done: Promise<void>;
  /** Ends it at its next step. */
  readonly cancel: () => void;
}

export class MapReduce {
  readonly settings: MapReduceSettings;
  readonly #parts: MapReduceParts;
  #running = 0;

  constructor(parts: MapReduceParts) {
    this.settings = parts.settings;
    this.#parts = parts;
  }

  /** Jobs in progress. */
  get running(): number {
    return this.#running;
  }

  start(job: MapReduceJob, sink: ResultSink): JobRun {
    const { environment, settings } = this.#parts;
    const budget = new JobBudget(environment, {
      timeoutMs: Math.min(job.timeoutMs ?? settings.timeoutMs, settings.timeoutMsMax),
      heldBytesMax: settings.heldBytesMax,
      scriptMsMax: settings.scriptMsMax,
    });
    return {
      done: this.#observed(job, budget, sink),
      cancel: () => budget.end({ kind: 'cancelled' }),
    };
  }

  async #observed(job: MapReduceJob, budget: JobBudget, sink: ResultSink): Promise<void> {
    const { clock } = this.#parts.environment;
    if (this.#running >= this.settings.jobsMax) {
      this.#parts.observer?.jobFinished(0, true);
      throw new JobFailure({ kind: 'overload' });
    }
    this.#running += 1;
    const startedAt = clock.now();
    let failed = true;
    try {
      await this.#run(job, budget, sink);
      failed = false;
    } finally {
      this.#running -= 1;
      this.#parts.observer?.jobFinished(clock.now() - startedAt, failed);
    }
  }

  /** What waits for something slow is left behind at the deadline, and ends at its next step. */
  #run(job: MapReduceJob, budget: JobBudget, sink: ResultSink): Promise<void> {
    const { environment, store, sandbox, indexes, settings } = this.#parts;
    const { timers, tasks } = environment;
    const scripts = new JobScripts(sandbox, budget, { memoryBytesMax: settings.scriptMemoryBytesMax });
    const wait = (ms: number): Promise<void> => new Promise((resolve) => void timers.after(ms, resolve));
    const guarded: ResultSink = async (phase, items) => {
      budget.timeLeft();
      await sink(phase, items, budget);
    };
    return new Promise((resolve, reject) => {
      const timer = timers.after(budget.limits.timeoutMs, () => {
        budget.end({ kind: 'timeout' });
        reject(new JobFailure({ kind: 'timeout' }));
      });
      tasks.spawn('mapreduce job', async () => {
        try {
          await runJob(job, { store, budget, scripts, wait }, { store, indexes, budget }, guarded);
          resolve();
        } catch (error) {
          if (!(error instanceof JobFailure)) throw error;
          budget.end(error.problem);
          reject(error);
        } finally {
          timer.cancel();
        }
      });
    });
  }
}
