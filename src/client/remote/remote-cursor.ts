/** A listing over a connection of its own: the node is held back while the consumer is slow. */
import type { Buffer } from 'node:buffer';
import type { ByteString } from '../../stdx/index.ts';
import type { Deadline } from '../deadline.ts';
import { HaleError } from '../hale-error.ts';
import type { NameCursor } from '../transport.ts';
import type { ConnectionPool, Lease } from './connection-pool.ts';

/** Batches held for a slow consumer; beyond, the connection is not read. */
const batchesMax = 16;

export interface ListingRequest {
  readonly request: Buffer;
  readonly decode: (code: number, body: Buffer) => { names: readonly ByteString[]; done: boolean };
  /** Of a wait: a new one for each, or the listing's. */
  readonly deadline: () => Deadline;
}

export class RemoteCursor implements NameCursor {
  readonly #pool: ConnectionPool;
  readonly #listing: ListingRequest;
  readonly #batches: (readonly ByteString[])[] = [];
  #lease: Lease | undefined;
  #state: 'new' | 'open' | 'done' | 'closed' = 'new';
  #error: HaleError | undefined;
  #notify: (() => void) | undefined;

  constructor(pool: ConnectionPool, listing: ListingRequest) {
    this.#pool = pool;
    this.#listing = listing;
  }

  async next(): Promise<readonly ByteString[] | undefined> {
    const deadline = this.#listing.deadline();
    deadline.check();
    if (this.#state === 'new') await this.#open(deadline);
    if (this.#batches.length === 0 && this.#state === 'open') await this.#arrival(deadline);
    const batch = this.#batches.shift();
    if (this.#batches.length < batchesMax) this.#lease?.connection.resume();
    if (batch === undefined && this.#error !== undefined) throw this.#error;
    return batch;
  }

  async close(): Promise<void> {
    if (this.#state === 'open') {
      // The node sees the connection close and drops its cursors; there is no message that says so.
      this.#lease?.connection.destroy(new HaleError('closed', 'the listing was left'));
    }
    this.#release();
    this.#state = 'closed';
    this.#batches.length = 0;
  }

  async #open(deadline: Deadline): Promise<void> {
    this.#lease = await this.#pool.acquire(deadline, new Set());
    this.#state = 'open';
    this.#lease.connection.send(this.#listing.request, {
      kind: 'read',
      reply: (code, body) => this.#reply(code, body),
      failed: (error) => this.#finish(error),
    });
  }

  #reply(code: number, body: Buffer): boolean {
    const { names, done } = this.#listing.decode(code, body);
    if (names.length > 0) this.#batches.push(names);
    if (this.#batches.length >= batchesMax && !done) this.#lease?.connection.pause();
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
