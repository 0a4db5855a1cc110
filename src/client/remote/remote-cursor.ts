/** What is streamed, over a connection of its own: the node is held back while the consumer is slow. */
import type { Buffer } from 'node:buffer';
import type { Deadline } from '../deadline.ts';
import { HaleError } from '../hale-error.ts';
import type { Cursor } from '../transport.ts';
import type { ConnectionPool, Lease } from './connection-pool.ts';

const batchesMaxDefault = 16;

export interface StreamedRequest<Batch> {
  readonly frame: Buffer;
  readonly decode: (
    code: number,
    body: Buffer,
  ) => { readonly batch: Batch | undefined; readonly done: boolean };
  /** Of a wait: a new one for each, or that of the whole. */
  readonly deadline: () => Deadline;
  /** Batches held for a slow consumer; beyond, the connection is not read. Default: 16. */
  readonly batchesMax?: number;
}

export class RemoteCursor<Batch> implements Cursor<Batch> {
  readonly #pool: ConnectionPool;
  readonly #request: StreamedRequest<Batch>;
  readonly #batches: Batch[] = [];
  #lease: Lease | undefined;
  #state: 'new' | 'open' | 'done' | 'closed' = 'new';
  #error: HaleError | undefined;
  #notify: (() => void) | undefined;

  constructor(pool: ConnectionPool, request: StreamedRequest<Batch>) {
    this.#pool = pool;
    this.#request = request;
  }

  async next(): Promise<Batch | undefined> {
    const deadline = this.#request.deadline();
    deadline.check();
    if (this.#state === 'new') await this.#open(deadline);
    if (this.#batches.length === 0 && this.#state === 'open') await this.#arrival(deadline);
    const batch = this.#batches.shift();
    if (this.#batches.length < this.#batchesMax) this.#lease?.connection.resume();
    if (batch === undefined && this.#error !== undefined) throw this.#error;
    return batch;
  }

  get #batchesMax(): number {
    return this.#request.batchesMax ?? batchesMaxDefault;
  }

  async close(): Promise<void> {
    if (this.#state === 'open') {
      // The node sees the connection close and drops its cursors; there is no message that says so.
      this.#lease?.connection.destroy(new HaleError('closed', 'the loop was left'));
    }
    this.#release();
    this.#state = 'closed';
    this.#batches.length = 0;
  }

  async #open(deadline: Deadline): Promise<void> {
    this.#lease = await this.#pool.acquire(deadline, new Set());
    this.#state = 'open';
    this.#lease.connection.send(this.#request.frame, {
      kind: 'read',
      reply: (code, body) => this.#reply(code, body),
      failed: (error) => this.#finish(error),
    });
  }

  #reply(code: number, body: Buffer): boolean {
    const { batch, done } = this.#request.decode(code, body);
    if (batch !== undefined) this.#batches.push(batch);
    if (this.#batches.length >= this.#batchesMax && !done) this.#lease?.connection.pause();
    if (done) this.#finish(undefined);
    else this.#wake();
    return done;
  }

  #finish(error: HaleError | undefined): void {
    this.#error = error;
    if (this.#state === 'open') this.#state = 'done';
    this.#wake();
  }

  #wake(): void {
    const notify = this.#notify;
    this.#notify = undefined;
    notify?.();
  }

  #arrival(deadline: Deadline): Promise<void> {
    return new Promise((resolve) => {
      const stop = deadline.watch((reason) => this.#lease?.connection.destroy(reason));
      this.#notify = () => {
        stop();
        resolve();
      };
    });
  }

  #release(): void {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease === undefined) return;
    if (lease.connection.isOpen) lease.connection.resume();
    this.#pool.release(lease);
  }
}
