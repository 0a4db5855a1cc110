/**
 * Garbage collection of one segment: what lives in it is appended to the log again, then it is removed.
 *
 * What makes that safe:
 * - G1. Each slice decides and writes while nothing else is written, so a record that is copied is the newest of its
 *   key at that moment, and the copy stands behind all older ones. The log's order stays the order of writes.
 * - G2. A tombstone is copied as long as an older segment is left, which may hold what it deletes. In the oldest one it
 *   is dropped. A range deletion keeps the position at which it took effect.
 * - G3. The segment is removed after the copies were synced, and before the next collection its name is gone for good.
 * - G4. A record whose value has rotted is copied as lost: its key never reads as missing. A range deletion that has
 *   rotted, while there may be something that it hides, keeps its segment: a copy could say no more, and its loss would
 *   not be told. So does rot that hides which records there are, for there may be deletions among them. In the oldest
 *   segment they hide nothing: there the index is asked for all that it has in it.
 */
import { Buffer } from 'node:buffer';
import { DiskError } from '../../environment/index.ts';
import { type ByteString, byteStringOf } from '../../stdx/index.ts';
import type { IndexWalk } from './index-walk.ts';
import type { KeyIndex } from './key-index.ts';
import { COLLECT_SLICE_BYTES_MAX, COLLECT_SLICE_RECORDS_MAX } from './log-limits.ts';
import {
  FRAME_HEAD_BYTES,
  isValueSound,
  type LogRecord,
  RECORD_DELETE,
  RECORD_HEAD_BYTES,
  RECORD_LOST,
  RECORD_RANGE,
  readRecord,
  segmentSeed,
  writeRecord,
} from './log-record.ts';
import { findFrame, readFrameAt } from './log-scan.ts';
import type { Frame, LogWriter } from './log-writer.ts';
import { kindOfCode } from './position.ts';
import type { Segment, SegmentSet } from './segment.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';

export interface CollectionParts {
  readonly index: KeyIndex;
  readonly segments: SegmentSet;
  readonly writer: LogWriter;
}

/** A record to be copied: as it is in `bytes`, or, without them, as lost. */
interface Copied {
  readonly kind: number;
  readonly name: ByteString;
  readonly keyBytes: number;
  readonly bytes: Buffer | undefined;
}

export class Collection {
  readonly segment: Segment;
  readonly #parts: CollectionParts;
  readonly #isOldest: boolean;
  readonly #seed: number;
  /** Of what is left of its file. */
  readonly #end: number;
  #offset = SEGMENT_HEADER_BYTES;
  #body: Buffer | undefined;
  #bodyOffset = 0;
  #at = 0;
  #isDamaged = false;
  copiedBytes = 0;

  constructor(segment: Segment, parts: CollectionParts) {
    this.segment = segment;
    this.#parts = parts;
    this.#isOldest = parts.segments.oldest() === segment;
    this.#seed = segmentSeed(segment.number);
    this.#end = Math.min(segment.end, segment.file.size);
    this.#isDamaged = this.#end < segment.end;
  }

  get isOldest(): boolean {
    return this.#isOldest;
  }

  /** Rot was met that hides records, or some are lost: `copyIndexed` has to follow. */
  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  /** One slice, while nothing else is written. False at the end. Rejects with `DiskError` or `StorageError`. */
  async copySlice(): Promise<boolean> {
    if (this.#isDamaged) this.#assertHidesNothing();
    const copied: Copied[] = [];
    let bytes = 0;
    let seen = 0;
    let isMore = true;
    while (seen < COLLECT_SLICE_RECORDS_MAX && bytes < COLLECT_SLICE_BYTES_MAX) {
      const record = this.#next();
      if (record === undefined) {
        isMore = false;
        break;
      }
      seen += 1;
      const copy = this.#copyOf(record);
      if (copy === undefined) continue;
      copied.push(copy);
      bytes += copy.bytes?.length ?? RECORD_HEAD_BYTES + copy.keyBytes;
    }
    await this.#append(copied, bytes);
    return isMore;
  }

  /** One slice of what the index still has in the segment. `walk` is over a snapshot that was taken after `copySlice` ended. */
  async copyIndexed(walk: IndexWalk): Promise<boolean> {
    const copied: Copied[] = [];
    let bytes = 0;
    let isMore = true;
    for (let seen = 0; seen < COLLECT_SLICE_RECORDS_MAX && bytes < COLLECT_SLICE_BYTES_MAX; seen++) {
      isMore = walk.next();
      if (!isMore) break;
      const { key, keyBytes, segment, offset, length } = walk.entry;
      if (segment !== this.segment.number) continue;
      const owned = Buffer.from(key.subarray(0, keyBytes));
      const place = this.#parts.index.find(owned);
      if (place?.segment !== segment || place.offset !== offset) continue;
      const name = byteStringOf(owned);
      const record = this.#readIndexed(offset, RECORD_HEAD_BYTES + keyBytes + length, owned);
      const kind = record === undefined ? RECORD_LOST : record[8]!;
      copied.push({ kind, name, keyBytes, bytes: record });
      bytes += record?.length ?? RECORD_HEAD_BYTES + keyBytes;
    }
    await this.#append(copied, bytes);
    return isMore;
  }

  /** The next record of the segment that can be read; undefined at the end. */
  #next(): LogRecord | undefined {
    for (;;) {
      const body = this.#body;
      if (body !== undefined && this.#at < body.length) {
        const record = readRecord(body, this.#at, body.length);
        if (record !== undefined) {
          this.#at = record.end;
          return record;
        }
        this.#damaged();
      }
      this.#body = undefined;
      const { segment } = this;
      if (this.#offset >= this.#end) return undefined;
      const read = (offset: number, length: number): Buffer => segment.read(offset, length);
      const frame = readFrameAt(read, this.#seed, this.#offset, this.#end);
      if (frame === undefined) {
        this.#damaged();
        this.#offset = findFrame(segment.file, this.#seed, this.#offset + 1, this.#end);
        continue;
      }
      this.#body = frame.body;
      this.#bodyOffset = frame.end - frame.body.length;
      this.#offset = frame.end;
      this.#at = 0;
    }
  }

  #damaged(): void {
    this.#isDamaged = true;
    this.#assertHidesNothing();
  }

  #assertHidesNothing(): void {
    if (this.#isOldest) return;
    throw new DiskError('io', this.segment.file.path, 'rot may hide a deletion of something older');
  }

  /** Undefined if the record is dead. */
  #copyOf(record: LogRecord): Copied | undefined {
    const body = this.#body!;
    const { kind, start, keyStart, valueStart, end } = record;
    const bytes = body.subarray(start, end);
    const name = byteStringOf(body, keyStart, valueStart);
    const keyBytes = valueStart - keyStart;
    if (kind === RECORD_RANGE) {
      if (this.#isOldest) return undefined;
      if (isValueSound(body, record)) return { kind, name, keyBytes, bytes };
      throw new DiskError('io', this.segment.file.path, 'the deletion of a range is damaged');
    }
    const place = this.#parts.index.find(body.subarray(keyStart, valueStart));
    const isHere = place?.segment === this.segment.number && place.offset === this.#bodyOffset + start;
    if (kind === RECORD_DELETE) {
      if (this.#isOldest || !(isHere || place === undefined)) return undefined;
      return { kind, name, keyBytes, bytes };
    }
    if (!isHere) return undefined;
    return isValueSound(body, record)
      ? { kind, name, keyBytes, bytes }
      : { kind: RECORD_LOST, name, keyBytes, bytes: undefined };
  }

  #readIndexed(offset: number, length: number, key: Buffer): Buffer | undefined {
    if (offset + length > this.#end) return undefined;
    const bytes = this.segment.read(offset, length);
    const record = readRecord(bytes, 0, length);
    if (record === undefined || record.end !== length || !isValueSound(bytes, record)) return undefined;
    return bytes.subarray(record.keyStart, record.valueStart).equals(key) ? bytes : undefined;
  }

  async #append(copied: readonly Copied[], bodyBytes: number): Promise<void> {
    if (copied.length === 0) return;
    const { index, segments, writer } = this.#parts;
    const first = await writer.append([frameOf(copied, bodyBytes)], false);
    this.copiedBytes += bodyBytes;
    const segment = segments.get(first.segment);
    let offset = first.offset + FRAME_HEAD_BYTES;
    for (const { kind, name, keyBytes, bytes } of copied) {
      const recordBytes = bytes?.length ?? RECORD_HEAD_BYTES + keyBytes;
      const isTombstone = kind === RECORD_DELETE || kind === RECORD_RANGE;
      if (isTombstone && segment !== undefined) segment.tombstoneBytes += recordBytes;
      if (kind !== RECORD_RANGE) {
        const length = recordBytes - RECORD_HEAD_BYTES - keyBytes;
        index.put(name, { kind: kindOfCode(kind)!, segment: first.segment, offset, length });
      }
      offset += recordBytes;
    }
  }
}

function frameOf(copied: readonly Copied[], bodyBytes: number): Frame {
  return {
    records: copied.length,
    bodyBytes,
    write: (target, start) => {
      let at = start;
      for (const { name, bytes } of copied) {
        if (bytes === undefined) {
          at = writeRecord(target, at, RECORD_LOST, Buffer.from(name, 'latin1'), undefined);
        } else {
          target.set(bytes, at);
          at += bytes.length;
        }
      }
    },
  };
}
