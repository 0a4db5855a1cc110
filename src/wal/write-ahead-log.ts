/**
 * A log of opaque records with consecutive indices, kept in segments of one directory.
 *
 * Changes are queued by plain calls, without a promise each, and become durable in groups: all that was
 * queued when the disk is free goes out in one write and one sync, off the main thread, and is then reported
 * to the callbacks in the order of the calls. What a group holds is in the log, for readers and for the next
 * start, when its sync has succeeded; until then readers see the log as it was.
 *
 * docs/internals/wal.md has the format and the numbered invariants.
 */
import type { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { Environment } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';
import { type Change, ChangeQueue, type WalDone } from './change-queue.ts';
import { bodyStart, type Frame, frameBytes, indexMax, recordEntry, recordEntryBytes } from './frame.ts';
import { type OpenedDirectory, openDirectory } from './open-directory.ts';
import type { RecordIndex, RecordPlace } from './record-index.ts';
import { type WalDamage, walErrorOf } from './recover.ts';
import type { SegmentRemoval } from './segment-removal.ts';
import type { SegmentWriter, WrittenGroup } from './segment-writer.ts';
import { WalError } from './wal-error.ts';
import { assertSound, type WalLimits, walLimits } from './wal-limits.ts';

export type WalEnvironment = Pick<Environment, 'disk' | 'tasks' | 'log'>;

export interface WalStats {
  /** Groups, records and bytes (heads included) that became durable. */
  readonly groups: number;
  readonly records: number;
  readonly bytes: number;
  readonly failedGroups: number;
  /** Syncs that succeeded, for groups. */
  readonly syncs: number;
}

/** What is known of the log: its first index and the next one to be appended. */
interface LogState {
  readonly first: number;
  readonly next: number;
}

export class WriteAheadLog {
  /** What was found damaged at the start; the log is open all the same. */
  readonly damages: readonly WalDamage[];
  readonly #environment: WalEnvironment;
  readonly #limits: WalLimits;
  readonly #index: RecordIndex;
  readonly #writer: SegmentWriter;
  readonly #removal: SegmentRemoval;
  /** As on disk. */
  #durable: LogState;
  /** As it will be when all that is queued is durable. */
  #planned: LogState;
  readonly #queue = new ChangeQueue();
  #activity: 'idle' | 'scheduled' | 'writing' | 'closed' = 'idle';
  #drained: (() => void)[] = [];
  #groups = 0;
  #records = 0;
  #bytes = 0;
  #failedGroups = 0;

  private constructor(environment: WalEnvironment, limits: WalLimits, opened: OpenedDirectory) {
    this.#environment = environment;
    this.#limits = limits;
    this.damages = opened.damages;
    this.#index = opened.index;
    this.#writer = opened.writer;
    this.#removal = opened.removal;
    this.#durable = { first: opened.first, next: opened.next };
    this.#planned = this.#durable;
  }

  /**
   * Opens the log in `directory`, or begins one there. All that it shows is durable. Rejects with `WalError`:
   * 'full' and 'io' (the last group must be written anew, see recover.ts), 'format'.
   */
  static async open(
    environment: WalEnvironment,
    directory: string,
    limits: WalLimits = walLimits,
  ): Promise<WriteAheadLog> {
    assertSound(limits);
    try {
      const opened = await openDirectory(environment, directory, limits);
      const log = new WriteAheadLog(environment, limits, opened);
      await log.#renew(opened.tail);
      return log;
    } catch (cause) {
      throw walErrorOf(cause);
    }
  }

  /** Of the first record; `nextIndex` if the log is empty. */
  get firstIndex(): number {
    return this.#durable.first;
  }

  /** Of the last record; one less than the first index if the log is empty. */
  get lastIndex(): number {
    return this.#durable.next - 1;
  }

  /** What the next append will get, if nothing that is queued fails. */
  get nextIndex(): number {
    return this.#planned.next;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  get stats(): WalStats {
    return {
      groups: this.#groups,
      records: this.#records,
      bytes: this.#bytes,
      failedGroups: this.#failedGroups,
      syncs: this.#writer.syncs,
    };
  }

  /**
   * Queues a record, which must not change until `done`, and returns its index. `done` gets an error if its
   * group failed ('full', 'io'): then neither it nor what was queued behind it is in the log, and the next
   * append gets the index again. Throws `WalError` 'too_large', 'overload' or 'closed': then nothing is
   * queued, and `done` is not called.
   */
  append(record: Uint8Array, done: WalDone): number {
    return this.appendBatch([record], done);
  }

  /** As `append`, for records that are in the log all or not at all. Returns the index of the first. */
  appendBatch(records: readonly Uint8Array[], done: WalDone): number {
    assert(records.length > 0, 'a batch has records');
    const { recordBytesMax, batchBytesMax } = this.#limits;
    let bytes = recordEntryBytes * records.length;
    for (const record of records) {
      if (record.length > recordBytesMax) {
        throw new WalError('too_large', `a record of ${record.length} bytes; ${recordBytesMax} are allowed`);
      }
      bytes += record.length;
    }
    if (bytes > batchBytesMax) {
      throw new WalError('too_large', `a batch of ${bytes} bytes; ${batchBytesMax} are allowed`);
    }
    const { first, next } = this.#planned;
    this.#enqueue({ first, index: next, records }, done);
    return next;
  }

  /**
   * Queues the removal of the record at `index` and all behind it; the next append gets that index. Between
   * `firstIndex` and `nextIndex`. Throws as `append` does, and 'out_of_range'.
   */
  truncateFrom(index: number, done: WalDone): void {
    const { first, next } = this.#planned;
    if (index < first || index > next) {
      throw new WalError(
        'out_of_range',
        `the log cannot end before ${index}: it has ${first} to ${next - 1}`,
      );
    }
    this.#enqueue({ first, index, records: [] }, done);
  }

  /**
   * Queues the removal of all records before `index`, which becomes the first. Beyond the end of the log, all
   * records go, and the next append gets `index`. Below the first index nothing changes. Files whose records
   * have all gone are removed after `done`. Throws as `append` does.
   */
  dropBefore(index: number, done: WalDone): void {
    assert(index <= indexMax, 'an index is in range');
    const { first, next } = this.#planned;
    this.#enqueue({ first: Math.max(first, index), index: Math.max(next, index), records: [] }, done);
  }

  /** The record as it was written. Throws `WalError` 'out_of_range', 'damaged', or 'io' if the device refuses. */
  read(index: number): Buffer {
    const place = this.#placeOf(index);
    return this.#checked(index, place, this.#readBytes(place, place.offset + place.length), place.offset);
  }

  /**
   * Records from `from` up to, not including, `end`: as many as are sound and fit into `readBytesMax`, at
   * least one. Throws as `read` does, of the first.
   */
  readRange(from: number, end: number): readonly Buffer[] {
    assert(from < end, 'a range is not empty');
    const start = this.#placeOf(from);
    const places = [start];
    let to = start.offset + start.length;
    for (let index = from + 1; index < Math.min(end, this.#durable.next); index++) {
      const place = this.#index.find(index);
      if (place === undefined || place.offset === 0 || place.segment !== start.segment) break;
      if (place.offset < to || place.offset + place.length - start.offset > this.#limits.readBytesMax) break;
      places.push(place);
      to = place.offset + place.length;
    }
    const bytes = this.#readBytes(start, to);
    const records: Buffer[] = [];
    for (const [i, place] of places.entries()) {
      if (i > 0 && !isSound(place, bytes, start.offset)) break;
      records.push(this.#checked(from + i, place, bytes, start.offset));
    }
    return records;
  }

  /** Resolves when nothing is queued or in flight, whether it succeeded or not. */
  drain(): Promise<void> {
    if (this.#activity === 'idle' || this.#activity === 'closed') return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained.push(resolve);
    });
  }

  /** Writes what is queued, then closes the files. Nothing may be called after it. */
  async close(): Promise<void> {
    while (this.#activity === 'scheduled' || this.#activity === 'writing') await this.drain();
    if (this.#activity === 'closed') return;
    this.#activity = 'closed';
    try {
      await this.#writer.mark(this.#durable);
    } catch (cause) {
      // Nothing depends on the mark: without it, the next start writes the last group anew.
      this.#environment.log.warn('the end of the log was not marked', { error: walErrorOf(cause).message });
    }
    await this.#removal.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #enqueue(frame: Frame, done: WalDone): void {
    const { first, index, records } = frame;
    if (this.#activity === 'closed') throw new WalError('closed', 'the log is closed');
    const bytes = frameBytes(frame);
    const { queueBytesMax } = this.#limits;
    if (this.#queue.bytes + bytes > queueBytesMax) {
      throw new WalError('overload', `${this.#queue.bytes} bytes wait; ${queueBytesMax} are allowed`);
    }
    this.#queue.push({ first, index, records, bytes, done });
    this.#planned = { first, next: index + records.length };
    if (this.#activity === 'idle') this.#schedule();
  }

  #schedule(): void {
    this.#activity = 'scheduled';
    this.#environment.tasks.endOfTurn(() => {
      this.#activity = 'writing';
      this.#environment.tasks.spawn('write-ahead log', () => this.#flush());
    });
  }

  /** Writes groups until the queue is empty. */
  async #flush(): Promise<void> {
    for (;;) {
      const group = this.#queue.take(this.#limits.groupBytesMax);
      const error = await this.#write(group);
      const failed = error === undefined ? group : [...group, ...this.#queue.take(Number.POSITIVE_INFINITY)];
      if (error !== undefined) this.#planned = this.#durable;
      this.#queue.release(failed);
      // With nothing behind it, what `done` appends belongs to the next turn's group.
      const isLast = this.#queue.length === 0;
      if (isLast) this.#activity = 'idle';
      for (const { done } of failed) done(error);
      if (isLast) break;
    }
    this.#removeDead();
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }

  async #write(group: readonly Change[]): Promise<WalError | undefined> {
    try {
      this.#apply(group, await this.#writer.write(group, this.#durable));
      this.#groups += 1;
      return undefined;
    } catch (cause) {
      this.#failedGroups += 1;
      return walErrorOf(cause);
    }
  }

  /** Takes over what a durable group says. */
  #apply(frames: readonly Frame[], written: WrittenGroup): void {
    const { segment, offset, bytes } = written;
    this.#removal.add(segment);
    let start = 0;
    for (const { first, index, records } of frames) {
      if (first > this.#durable.first) this.#index.dropBefore(first);
      if (index < this.#durable.next) this.#index.truncateFrom(index);
      let at = start + bodyStart(records.length);
      for (let i = 0; i < records.length; i++) {
        const { length, crc } = recordEntry(bytes, start, i);
        this.#index.push(index + i, segment, offset + at, length, crc);
        at += length;
      }
      start = at;
      this.#durable = { first, next: index + records.length };
      this.#records += records.length;
    }
    this.#bytes += bytes.length;
  }

  /** Writes the last group of the life before anew. */
  async #renew(tail: readonly Frame[]): Promise<void> {
    try {
      if (tail.length > 0) this.#apply(tail, await this.#writer.write(tail, this.#durable));
      this.#planned = this.#durable;
      this.#removeDead();
    } catch (cause) {
      await this.#removal.close();
      throw cause;
    }
  }

  #removeDead(): void {
    this.#removal.start(this.#index.segments(), this.#writer.currentSegment);
  }

  #placeOf(index: number): RecordPlace {
    const { first, next } = this.#durable;
    if (this.#activity === 'closed') throw new WalError('closed', 'the log is closed');
    if (index < first || index >= next) {
      throw new WalError('out_of_range', `record ${index} of a log of ${first} to ${next - 1}`);
    }
    const place = this.#index.find(index);
    if (place === undefined) throw new WalError('damaged', `record ${index} is missing`);
    if (place.offset === 0) {
      throw new WalError('damaged', `record ${index} in ${place.segment.file.path} is damaged`);
    }
    return place;
  }

  #readBytes({ segment, offset }: RecordPlace, to: number): Buffer {
    try {
      return segment.file.read(offset, to - offset);
    } catch (cause) {
      throw walErrorOf(cause);
    }
  }

  #checked(index: number, place: RecordPlace, bytes: Buffer, start: number): Buffer {
    if (!isSound(place, bytes, start)) {
      const { file } = place.segment;
      const range = `bytes ${place.offset} to ${place.offset + place.length}`;
      throw new WalError('damaged', `record ${index} in ${file.path}, ${range}, is damaged`);
    }
    return bytes.subarray(place.offset - start, place.offset - start + place.length);
  }
}

function isSound({ offset, length, crc }: RecordPlace, bytes: Buffer, start: number): boolean {
  return crc32(bytes.subarray(offset - start, offset - start + length)) === crc;
}
