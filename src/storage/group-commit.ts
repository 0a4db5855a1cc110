/**
 * Group commit (D8): the writes that one turn of the event loop gathers, of all vnodes, go to the engine
 * as one batch with one sync; what arrives while that batch is in flight makes the next one, which leaves when the turn
 * ends in which the batch before it was done: by then all sockets have been read that had something. Under load
 * batches grow by themselves, and what a batch costs (a sync, two threads that wake) is shared by many writes.
 *
 * What holds:
 * - Batches are written one at a time in the order of the `write` calls.
 * - One call's writes are in one batch: visible and durable together.
 * - Where the engine says which parts of a batch have failed, a call hears of its own writes only.
 * - `get` sees every write that was queued, before it is durable, so that a read-modify-write that
 *   follows another on the same key in the same turn builds on it. When a batch fails its values leave
 *   this view.
 *
 * A write that was computed from a pending value of a batch that then fails still goes on. That is safe:
 * its author was told nothing false, since an unacknowledged write may happen or not, alone or as part of
 * a later one. Dotted version vectors (D10) make the two cases mergeable.
 */
import type { Buffer } from 'node:buffer';
import type { Tasks } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';
import { BatchIndex } from './batch-index.ts';
import { hashOfKey } from './key-hash.ts';
import {
  type Durability,
  PartlyWritten,
  type StorageEngine,
  StorageError,
  WriteBatch,
} from './storage-engine.ts';

export type CommitDone = (error: StorageError | undefined) => void;

export interface GroupCommitLimits {
  /** Bytes queued and in flight from which `overloaded` is true. */
  readonly pendingBytesMax: number;
  /** Bytes from which a batch takes no more writes. One call's writes are never split. */
  readonly batchBytesMax: number;
}

export interface GroupCommitStats {
  /** Batches, calls of `write` and bytes of keys and values that went to the engine and succeeded. */
  readonly batches: number;
  readonly writes: number;
  readonly bytes: number;
  readonly failedBatches: number;
}

export const GROUP_COMMIT_LIMITS: GroupCommitLimits = {
  pendingBytesMax: 64 * 1024 * 1024,
  batchBytesMax: 4 * 1024 * 1024,
};

/** One batch with the callbacks that wait for it and where its newest value of each key is. */
class Group {
  readonly batch = new WriteBatch();
  readonly done: CommitDone[] = [];
  /** Of each of them: the place behind its last write. */
  readonly ends: number[] = [];
  readonly newest: BatchIndex;
  durability: Durability = 'os';

  constructor(newest: BatchIndex) {
    this.newest = newest;
    newest.reset(this.batch.keys);
  }
}

export class GroupCommit {
  /** Committed reads, scans and the rest go here. */
  readonly engine: StorageEngine;
  readonly #tasks: Tasks;
  readonly #limits: GroupCommitLimits;
  /** Oldest first; the first is in flight when `#flying`, the last takes new writes. */
  readonly #groups: Group[] = [];
  #flying = false;
  #scheduled = false;
  #pendingBytes = 0;
  #drained: (() => void)[] = [];
  #batches = 0;
  #writes = 0;
  #bytes = 0;
  #failedBatches = 0;
  #hasFailed = false;
  #spareIndex: BatchIndex | undefined;
  readonly #turnEnded = (): void => {
    this.#scheduled = false;
    this.#tasks.spawn('group-commit', () => this.#flush());
  };

  constructor(engine: StorageEngine, tasks: Tasks, limits: GroupCommitLimits = GROUP_COMMIT_LIMITS) {
    this.engine = engine;
    this.#tasks = tasks;
    this.#limits = limits;
  }

  /**
   * The newest value, queued writes included; undefined if deleted or absent. It must not be changed: it
   * may be the very buffer that waits to be written. Throws `StorageError`.
   */
  get(key: Buffer): Buffer | undefined {
    const newest = this.#groups.length - 1;
    if (newest < 0) return this.engine.get(key);
    const hash = hashOfKey(key);
    for (let i = newest; i >= 0; i--) {
      const group = this.#groups[i]!;
      const place = group.newest.find(key, hash);
      if (place >= 0) return group.batch.values[place];
    }
    return this.engine.get(key);
  }

  /**
   * Appends what `fill` puts and deletes to the batch being gathered. Keys and values must not change
   * afterwards. `done` is called once, from the event loop, never from inside this call: without an
   * error when the batch is as durable as asked, else with what it failed of. If `fill` throws, nothing
   * of it is written and `done` is not called.
   */
  write(durability: Durability, fill: (batch: WriteBatch) => void, done: CommitDone): void {
    const group = this.#gathering();
    const { batch } = group;
    const start = batch.length;
    const startBytes = batch.byteLength;
    try {
      fill(batch);
    } catch (cause) {
      batch.keys.length = start;
      batch.values.length = start;
      batch.byteLength = startBytes;
      if (group.done.length === 0) this.#groups.pop();
      throw cause;
    }
    for (let place = start; place < batch.length; place++) group.newest.add(place);
    this.#pendingBytes += batch.byteLength - startBytes;
    if (durability === 'synced') group.durability = 'synced';
    group.done.push(done);
    group.ends.push(batch.length);
    this.#schedule();
  }

  /**
   * Too much is queued: admit no new requests until this is false again. `write` itself refuses nothing,
   * since it may be one step of a request that was admitted before.
   */
  get overloaded(): boolean {
    return this.#pendingBytes >= this.#limits.pendingBytesMax;
  }

  /** Bytes queued and in flight, as a share of those from which it is `overloaded`. */
  get pendingShare(): number {
    return this.#pendingBytes / this.#limits.pendingBytesMax;
  }

  /** Nothing of the last batch was written, of those that had anything in them. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  get stats(): GroupCommitStats {
    return {
      batches: this.#batches,
      writes: this.#writes,
      bytes: this.#bytes,
      failedBatches: this.#failedBatches,
    };
  }

  /** Resolves when nothing is queued or in flight, whether it succeeded or not. */
  drain(): Promise<void> {
    if (this.#groups.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained.push(resolve);
    });
  }

  /** The group that takes new writes: never the one in flight, nor one that is full. */
  #gathering(): Group {
    const groups = this.#groups;
    const last = groups[groups.length - 1];
    const inFlight = this.#flying && groups.length === 1;
    if (last !== undefined && !inFlight && last.batch.byteLength < this.#limits.batchBytesMax) return last;
    const group = new Group(this.#spareIndex ?? new BatchIndex());
    this.#spareIndex = undefined;
    groups.push(group);
    return group;
  }

  #schedule(): void {
    if (this.#flying || this.#scheduled) return;
    this.#scheduled = true;
    this.#tasks.endOfTurn(this.#turnEnded);
  }

  /** Writes the oldest group, then tells whom it is of. */
  async #flush(): Promise<void> {
    const group = this.#groups[0];
    assert(group !== undefined, 'a group waits for its turn');
    this.#flying = true;
    const error = await this.#commit(group);
    this.#flying = false;
    this.#groups.shift();
    group.newest.reset([]);
    this.#spareIndex = group.newest;
    this.#pendingBytes -= group.batch.byteLength;
    this.#count(group, error);
    // Before the answers that leave when the turn ends: the disk works while they do.
    if (this.#groups.length > 0) this.#schedule();
    if (error instanceof PartlyWritten) tellEach(group, error);
    else for (const done of group.done) done(error);
    if (this.#groups.length === 0) this.#releaseDrained();
  }

  async #commit(group: Group): Promise<StorageError | undefined> {
    if (group.batch.length === 0) return undefined;
    try {
      await this.engine.write(group.batch, group.durability);
      return undefined;
    } catch (cause) {
      if (cause instanceof StorageError) return cause;
      throw cause;
    }
  }

  #count(group: Group, error: StorageError | undefined): void {
    if (group.batch.length > 0) this.#hasFailed = error !== undefined && !(error instanceof PartlyWritten);
    if (error !== undefined) {
      this.#failedBatches += 1;
      return;
    }
    this.#batches += 1;
    this.#writes += group.done.length;
    this.#bytes += group.batch.byteLength;
  }

  #releaseDrained(): void {
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }
}

function tellEach({ done, ends }: Group, error: PartlyWritten): void {
  let place = 0;
  for (const [i, tell] of done.entries()) {
    let isWritten = true;
    for (; place < ends[i]!; place += 1) isWritten &&= error.isWritten(place);
    tell(isWritten ? undefined : error);
  }
}
