/** Index queries and MapReduce jobs of an application in the node's own process, as cursors. */
import { Buffer } from 'node:buffer';
import {
  type Cursor,
  HaleError,
  type IndexBatch,
  type IndexQuery,
  type JsonJob,
  jobFailedError,
} from '../../client/index.ts';
import {
  type IndexQuerying,
  type IndexResults,
  type Item,
  JobFailure,
  type JobProblem,
  JobRefusal,
  type JobRun,
  jsonOf,
  type MapReduce,
  type MapReduceJob,
  parseJsonJob,
} from '../../kv/index.ts';
import { assert, unreachable } from '../../stdx/index.ts';
import { haleErrorOf } from './embedded-error.ts';

/** Rejects with `KvFailure`. */
export class EmbeddedIndexCursor implements Cursor<IndexBatch> {
  readonly #results: IndexResults;
  #hasEnded = false;

  constructor(indexes: IndexQuerying, { field, range, ...query }: IndexQuery, timeoutMs: number | undefined) {
    const timeout = timeoutMs === undefined ? {} : { timeoutMs };
    this.#results = indexes.query({ ...query, field, range, ...timeout });
  }

  async next(): Promise<IndexBatch | undefined> {
    if (this.#hasEnded) return undefined;
    const entries = await this.#results.next();
    if (entries !== undefined) return { entries };
    this.#hasEnded = true;
    const { continuation } = this.#results;
    return continuation === undefined ? undefined : { entries: [], continuation };
  }

  close(): Promise<void> {
    return this.#results.close();
  }
}

/** Batches of results that nobody has taken; beyond, the job waits. */
const batchesMax = 16;

/** Rejects with `HaleError`. */
export class EmbeddedJobCursor implements Cursor<readonly unknown[]> {
  readonly #run: JobRun;
  readonly #batches: (readonly Item[])[] = [];
  #ended = false;
  #failure: HaleError | undefined;
  #arrived: () => void = () => undefined;
  #taken: () => void = () => undefined;

  constructor(service: MapReduce, job: JsonJob, timeoutMs: number) {
    const parsed = parsedJob(service, { ...job, timeout: timeoutMs });
    this.#run = service.start(parsed, (_phase, items) => this.#offer(items));
    this.#run.done.then(
      () => this.#end(undefined),
      (error: unknown) => {
        assert(error instanceof JobFailure, 'jobs fail in known ways');
        this.#end(haleErrorOfProblem(error.problem));
      },
    );
  }

  async next(): Promise<readonly unknown[] | undefined> {
    while (this.#batches.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    const batch = this.#batches.shift();
    this.#taken();
    if (batch === undefined && this.#failure !== undefined) throw this.#failure;
    return batch?.map((item): unknown => JSON.parse(jsonOf(item)));
  }

  close(): Promise<void> {
    this.#run.cancel();
    this.#batches.length = 0;
    this.#ended = true;
    this.#taken();
    return Promise.resolve();
  }

  async #offer(items: readonly Item[]): Promise<void> {
    if (this.#ended) return;
    this.#batches.push(items);
    this.#arrived();
    if (this.#batches.length < batchesMax) return;
    await new Promise<void>((resolve) => {
      this.#taken = resolve;
    });
  }

  #end(failure: HaleError | undefined): void {
    this.#failure = failure;
    this.#ended = true;
    this.#arrived();
  }
}

function parsedJob(service: MapReduce, job: object): MapReduceJob {
  const bytes = Buffer.from(JSON.stringify(job));
  if (bytes.length > service.settings.requestBytesMax)
    throw new HaleError('too_large', 'the job is too large');
  try {
    return parseJsonJob(bytes, service.settings.heldBytesMax);
  } catch (cause) {
    if (!(cause instanceof JobRefusal)) throw cause;
    throw new HaleError('invalid_argument', cause.message, { cause });
  }
}

function haleErrorOfProblem(problem: JobProblem): HaleError {
  switch (problem.kind) {
    case 'timeout':
      return new HaleError('timeout', 'the job took longer than it may');
    case 'cancelled':
      return new HaleError('closed', 'the job was ended');
    case 'overload':
      return new HaleError('overload', 'as many jobs as may be are in progress');
    case 'too_large':
      return new HaleError('too_large', `the job holds more than ${problem.bytesMax} bytes`);
    case 'bad_phase':
      return new HaleError('invalid_argument', `phase ${problem.phase}: ${problem.error}`);
    case 'phase_failed':
      return jobFailedError(problem);
    case 'store':
      return haleErrorOf(problem.error, 'read');
    default:
      return unreachable(problem);
  }
}
