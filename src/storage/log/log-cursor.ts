/**
 * A walk over a snapshot of the index; values are read from the log as they are reached.
 *
 * A block of the index that cannot be read hides which keys it has: that is reported without a key, and older entries
 * of keys that may be in it are reported as damaged, since a newer one may be among what is hidden.
 */
import { Buffer } from 'node:buffer';
import { DiskError } from '../../environment/index.ts';
import { corruptEntry } from '../corrupt-entry.ts';
import {
  type Cursor,
  type CursorLimits,
  type Entry,
  type KeyRange,
  type ScanOptions,
  StorageError,
} from '../storage-engine.ts';
import { isHidden } from './deleted-ranges.ts';
import { IndexWalk } from './index-walk.ts';
import type { IndexSnapshot } from './key-index.ts';
import { compareSlices } from './key-order.ts';
import { RECORD_DELETE, RECORD_HEAD_BYTES, RECORD_LOST, valueOfRecord } from './log-record.ts';
import type { Run } from './run.ts';
import type { SegmentPin } from './segment.ts';

const NO_VALUE = Buffer.alloc(0);
/** Deleted entries that are passed before others have their turn. */
const PASSED_MAX = 4096;
/** Values that are read before others have their turn: each may be a read of the disk, which waits for it. */
const READS_A_TURN_MAX = 32;

export interface LogCursorSource {
  readonly snapshot: IndexSnapshot;
  readonly pin: SegmentPin;
  /** Throws if the engine was closed. */
  readonly assertOpen: () => void;
  readonly yieldTurn: () => Promise<void>;
  /** The index was found damaged. */
  readonly indexDamaged: () => void;
}

interface DamagedSpan {
  readonly from: Buffer;
  readonly to: Buffer | undefined;
  readonly source: number;
  readonly error: StorageError;
  isReported: boolean;
}

export class LogCursor implements Cursor {
  readonly #source: LogCursorSource;
  readonly #options: ScanOptions;
  readonly #range: KeyRange;
  readonly #isReverse: boolean;
  readonly #damages: DamagedSpan[] = [];
  #walk: IndexWalk | undefined;
  /** The walk stands on an entry that was not handed out yet. */
  #isPending = false;
  #passed: Buffer | undefined;
  #isEnded = false;
  #isClosed = false;

  constructor(range: KeyRange, options: ScanOptions, source: LogCursorSource) {
    this.#range = range;
    this.#options = options;
    this.#source = source;
    this.#isReverse = options.reverse === true;
  }

  async next(limits: CursorLimits): Promise<readonly Entry[]> {
    this.#assertUsable();
    await this.#source.yieldTurn();
    this.#assertUsable();
    const entries: Entry[] = [];
    let bytes = 0;
    let reads = 0;
    while (entries.length < limits.entriesMax && bytes < limits.bytesMax) {
      if (reads === READS_A_TURN_MAX) {
        reads = 0;
        await this.#source.yieldTurn();
        this.#assertUsable();
      }
      const found = this.#advance();
      if (this.#reportSpans(entries.length > 0) === 'later') break;
      if (found === 'end') break;
      if (found === 'passed many') {
        await this.#source.yieldTurn();
        this.#assertUsable();
        continue;
      }
      const key = this.#presentKey();
      const entry = this.#entry(key, entries.length > 0);
      if (this.#options.keysOnly !== true) reads += 1;
      if (entry === 'later') break;
      if (entry !== undefined) {
        const size = entry.key.length + entry.value.length;
        if (entries.length > 0 && bytes + size > limits.bytesMax) break;
        bytes += size;
        entries.push(entry);
      }
      this.#pass(key);
    }
    return entries;
  }

  seek(key: Buffer): void {
    if (this.#isClosed || this.#isEnded || !this.#isAhead(key)) return;
    this.#isPending = this.#begun(key).seek(key);
    this.#isEnded = !this.#isPending;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#source.snapshot.release();
    await this.#source.pin.release();
  }

  /** Puts the walk on the next entry that lives. */
  #advance(): 'found' | 'end' | 'passed many' {
    for (let passed = 0; passed < PASSED_MAX; passed++) {
      if (this.#isEnded) return 'end';
      const walk = this.#begun(this.#isReverse ? this.#range.to : this.#range.from);
      if (!this.#isPending && !walk.next()) this.#isEnded = true;
      else if (this.#isBeyond()) this.#isEnded = true;
      if (this.#isEnded) return 'end';
      this.#isPending = true;
      if (this.#isAlive(walk)) return 'found';
      this.#isPending = false;
    }
    return 'passed many';
  }

  #begun(first: Buffer | undefined): IndexWalk {
    if (this.#walk === undefined) {
      const { snapshot } = this.#source;
      const damaged = (error: StorageError, source: number, run: Run, block: number): void => {
        this.#damaged(error, source, run, block);
      };
      this.#walk = new IndexWalk(snapshot.sources(this.#isReverse, first, damaged), this.#isReverse);
    }
    return this.#walk;
  }

  #isAlive({ entry }: IndexWalk): boolean {
    const { key, keyBytes, kind, segment, offset } = entry;
    if (kind === RECORD_DELETE) return false;
    const { to } = this.#range;
    // In reverse the walk begins below `to`.
    if (this.#isReverse && to !== undefined && compareSlices(key, 0, keyBytes, to, 0, to.length) >= 0) {
      return false;
    }
    const { ranges } = this.#source.snapshot;
    return ranges.length === 0 || !isHidden(ranges, key, keyBytes, segment, offset);
  }

  #isBeyond(): boolean {
    const { key, keyBytes } = this.#walk!.entry;
    const { from, to } = this.#range;
    if (this.#isReverse)
      return from !== undefined && compareSlices(key, 0, keyBytes, from, 0, from.length) < 0;
    return to !== undefined && compareSlices(key, 0, keyBytes, to, 0, to.length) >= 0;
  }

  #presentKey(): Buffer {
    const { key, keyBytes } = this.#walk!.entry;
    return Buffer.from(key.subarray(0, keyBytes));
  }

  /** Undefined: damaged, and reported. `later`: damaged, and to be thrown by the following call. */
  #entry(key: Buffer, isPartial: boolean): Entry | 'later' | undefined {
    try {
      this.#assertCertain(key);
      if (this.#options.keysOnly === true) return { key, value: Buffer.from(NO_VALUE) };
      return { key, value: this.#value(key) };
    } catch (cause) {
      if (!(cause instanceof StorageError)) throw cause;
      if (this.#options.corrupt === undefined) {
        if (isPartial) return 'later';
        this.#pass(key);
        throw cause;
      }
      this.#options.corrupt(Buffer.from(key), cause);
      return undefined;
    }
  }

  #value(key: Buffer): Buffer {
    const { kind, segment, offset, length } = this.#walk!.entry;
    if (kind === RECORD_LOST) throw corruptEntry(key);
    let record: Buffer;
    try {
      record = this.#source.pin.read(segment, offset, RECORD_HEAD_BYTES + key.length + length);
    } catch (cause) {
      throw readFailure(cause, key);
    }
    const value = valueOfRecord(record, key);
    if (value === undefined) throw corruptEntry(key);
    return value;
  }

  /** Throws if a newer entry of the key may be hidden. */
  #assertCertain(key: Buffer): void {
    const source = this.#walk!.sourceIndex;
    for (const { from, to, source: damaged } of this.#damages) {
      const isInside = from.compare(key) <= 0 && (to === undefined || key.compare(to) < 0);
      if (isInside && damaged < source) throw corruptEntry(key);
    }
  }

  #damaged(error: StorageError, source: number, run: Run, block: number): void {
    if (error.code === 'corrupt') this.#source.indexDamaged();
    const { from, to } = run.spanOf(block);
    const { from: first, to: end } = this.#range;
    if (end !== undefined && from.compare(end) >= 0) return;
    if (first !== undefined && to !== undefined && to.compare(first) <= 0) return;
    this.#damages.push({ from, to, source, error, isReported: false });
  }

  #reportSpans(isPartial: boolean): 'later' | undefined {
    for (const span of this.#damages) {
      if (span.isReported) continue;
      if (this.#options.corrupt === undefined && isPartial) return 'later';
      span.isReported = true;
      if (this.#options.corrupt === undefined) throw span.error;
      this.#options.corrupt(undefined, span.error);
    }
    return undefined;
  }

  #pass(key: Buffer): void {
    this.#passed = key;
    this.#isPending = false;
  }

  #isAhead(key: Buffer): boolean {
    const first = this.#isReverse ? this.#range.to : this.#range.from;
    if (first !== undefined && !this.#isBefore(first, key)) return false;
    return this.#passed === undefined || this.#isBefore(this.#passed, key);
  }

  #isBefore(a: Buffer, b: Buffer): boolean {
    const order = a.compare(b);
    return this.#isReverse ? order > 0 : order < 0;
  }

  #assertUsable(): void {
    if (this.#isClosed) throw new StorageError('closed', 'the cursor is closed');
    this.#source.assertOpen();
  }
}

/** What a failed read of a record means. */
export function readFailure(cause: unknown, key: Buffer): StorageError {
  if (!(cause instanceof DiskError)) throw cause;
  if (cause.code === 'missing') return corruptEntry(key);
  return new StorageError('io', `reading: ${cause.message}`, { cause });
}
