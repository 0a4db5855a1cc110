/**
 * A walk over a LevelDB snapshot. The binding reads ahead, off the main thread, in slices of its own size;
 * this cursor hands them out within the caller's limits and checks each value.
 *
 * A block that cannot be read: LevelDB's iterator steps over it, remembers the error and tells only at the
 * end of the walk, taking the last slice with it. So when a slice fails, ever smaller ones are asked for
 * behind the last good key until a slice of one fails: that is the true end, and the error is reported.
 */
import { Buffer } from 'node:buffer';
import { corruptEntry } from '../corrupt-entry.ts';
import {
  type Cursor,
  type CursorLimits,
  type Entry,
  type ScanOptions,
  StorageError,
} from '../storage-engine.ts';
import type { LevelDatabase, NativeIterator } from './level-database.ts';
import { storageErrorOf } from './level-error.ts';
import { unseal } from './sealed-value.ts';
import type { SharedSnapshot } from './shared-snapshot.ts';

const READ_AHEAD_BYTES = 64 * 1024;
const READ_AHEAD_ENTRIES_MAX = 1024;
const READ_AHEAD_GROWTH = 4;
const NO_VALUE = Buffer.alloc(0);
const NO_ENTRIES: readonly [Buffer, Buffer][] = [];

/** Why a cursor's database is no longer there; undefined while it is. */
export type LostReason = () => StorageError | undefined;

export interface LevelRange {
  readonly from?: Buffer;
  readonly to: Buffer;
}

export class LevelCursor implements Cursor {
  readonly #database: LevelDatabase;
  readonly #snapshot: SharedSnapshot;
  readonly #range: LevelRange;
  readonly #options: ScanOptions;
  readonly #lost: LostReason;
  #iterator: NativeIterator;
  /** Read ahead and not yet handed out: from `#position` on. */
  #slice: readonly [Buffer, Buffer][] = NO_ENTRIES;
  #position = 0;
  /** The last key that was handed out or reported. */
  #passed: Buffer | undefined;
  /** Where the iterator stands: behind this key. */
  #read: Buffer | undefined;
  /** Where `seek` put the iterator, until it has read from there. */
  #sought: Buffer | undefined;
  /** Entries to read ahead at the next time: as many as are expected, then ever more. */
  #readAheadMax: number;
  #ended = false;
  #closed = false;

  /** It releases `snapshot` when it is closed. */
  constructor(
    database: LevelDatabase,
    snapshot: SharedSnapshot,
    range: LevelRange,
    options: ScanOptions,
    lost: LostReason,
  ) {
    this.#database = database;
    this.#range = range;
    this.#options = options;
    this.#lost = lost;
    this.#readAheadMax = this.#firstReadAhead;
    this.#snapshot = snapshot;
    this.#iterator = this.#iteratorAfter(undefined);
  }

  async next(limits: CursorLimits): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    let bytes = 0;
    while (entries.length < limits.entriesMax && bytes < limits.bytesMax) {
      if (this.#position >= this.#slice.length && !(await this.#readAhead(entries.length > 0))) break;
      const [key, sealed] = this.#slice[this.#position]!;
      const value = this.#options.keysOnly ? NO_VALUE : unseal(key, sealed);
      if (value === undefined) {
        // Without a callback the entries before the damage are handed out first.
        if (this.#options.corrupt === undefined && entries.length > 0) break;
        this.#pass(key);
        this.#report(key, corruptEntry(key));
        continue;
      }
      const size = key.length + value.length;
      if (entries.length > 0 && bytes + size > limits.bytesMax) break;
      this.#pass(key);
      bytes += size;
      entries.push({ key, value });
    }
    return entries;
  }

  seek(key: Buffer): void {
    if (this.#closed || this.#ended || !this.#isAhead(key)) return;
    const slice = this.#slice;
    while (this.#position < slice.length && this.#isBefore(slice[this.#position]![0], key))
      this.#position += 1;
    if (this.#position < slice.length) return;
    if (this.#lost() !== undefined) return; // `next` tells why
    this.#read = undefined;
    this.#sought = key;
    this.#readAheadMax = this.#firstReadAhead;
    this.#iterator.seek(key);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#slice = NO_ENTRIES;
    this.#position = 0;
    await this.#iterator.close();
    await this.#snapshot.release();
  }

  get #firstReadAhead(): number {
    const expected = this.#options.entriesExpected ?? READ_AHEAD_ENTRIES_MAX;
    return Math.min(Math.max(expected, 1), READ_AHEAD_ENTRIES_MAX);
  }

  /** True if another slice was read. With `partial` an error that ends the call waits for the next one. */
  async #readAhead(partial: boolean): Promise<boolean> {
    for (let size = this.#readAheadMax; !this.#ended; size >>>= 3) {
      this.#assertUsable();
      try {
        const slice = await this.#iterator.nextv(Math.max(1, size));
        this.#readAheadMax = Math.min(Math.max(1, size) * READ_AHEAD_GROWTH, READ_AHEAD_ENTRIES_MAX);
        return this.#take(slice);
      } catch (cause) {
        this.#assertUsable();
        await this.#restart();
        if (size > 1) continue;
        if (partial && this.#options.corrupt === undefined) return false;
        this.#ended = true;
        this.#report(undefined, storageErrorOf(cause, 'reading a range'));
      }
    }
    return false;
  }

  #take(slice: readonly [Buffer, Buffer][]): boolean {
    this.#slice = slice;
    this.#position = 0;
    if (slice.length === 0) {
      this.#ended = true;
      return false;
    }
    this.#read = slice[slice.length - 1]![0];
    return true;
  }

  /** An iterator that failed has moved on unseen: begin anew, over the same snapshot, where it stood. */
  async #restart(): Promise<void> {
    const failed = this.#iterator;
    this.#iterator = this.#iteratorAfter(this.#read);
    if (this.#read === undefined && this.#sought !== undefined) this.#iterator.seek(this.#sought);
    await failed.close();
  }

  #iteratorAfter(read: Buffer | undefined): NativeIterator {
    const { from, to } = this.#range;
    const reverse = this.#options.reverse === true;
    return this.#database.iterator({
      ...(read !== undefined && !reverse ? { gt: read } : from === undefined ? {} : { gte: from }),
      lt: read !== undefined && reverse ? read : to,
      reverse,
      values: this.#options.keysOnly !== true,
      fillCache: this.#options.isReadOften === true,
      highWaterMarkBytes: READ_AHEAD_BYTES,
      snapshot: this.#snapshot.native,
    });
  }

  #assertUsable(): void {
    const lost = this.#closed ? new StorageError('closed', 'the cursor is closed') : this.#lost();
    if (lost !== undefined) throw lost;
  }

  #pass(key: Buffer): void {
    this.#passed = key;
    this.#position += 1;
  }

  #report(key: Buffer | undefined, error: StorageError): void {
    if (this.#options.corrupt === undefined) throw error;
    this.#options.corrupt(key, error);
  }

  /** Whether `key` lies inside the range, beyond its first place and all that was handed out. */
  #isAhead(key: Buffer): boolean {
    const { from, to } = this.#range;
    const first = this.#options.reverse === true ? to : from;
    if (first !== undefined && !this.#isBefore(first, key)) return false;
    return this.#passed === undefined || this.#isBefore(this.#passed, key);
  }

  #isBefore(a: Buffer, b: Buffer): boolean {
    const order = Buffer.compare(a, b);
    return this.#options.reverse === true ? order > 0 : order < 0;
  }
}
