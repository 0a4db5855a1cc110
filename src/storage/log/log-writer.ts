/**
 * Appends frames to the log, and begins new segments.
 *
 * What holds:
 * - W1. A segment that is not the last is on disk up to its end, as the header of the next one tells.
 * - W2. A failed write or sync is final for its segment: what is on disk is unknown then, and a later sync that
 *   succeeds would say nothing of it (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020).
 * - W3. Frames that were not synced stay in memory until they are, at most 4 MiB; after a failure they are read from
 *   there, and `recover` writes them again, to the segment that it begins.
 * - W5. Behind the end of a segment there are zeros or nothing, but for what a failure has left.
 * - W4. Every life begins a segment of its own, so that nothing is written over what vouches for the last.
 */
import { Buffer } from 'node:buffer';
import { type Disk, DiskError, type Log } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { PREALLOCATED_BYTES, PREALLOCATED_GROUP_BYTES_MAX, UNSYNCED_BYTES_MAX } from './log-limits.ts';
import { FRAME_HEAD_BYTES, readFrameHead, segmentSeed, writeFrameHead } from './log-record.ts';
import type { Position } from './position.ts';
import { Segment, type SegmentSet } from './segment.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentPath } from './segment-header.ts';

/** The records of one frame. */
export interface Frame {
  readonly records: number;
  readonly bodyBytes: number;
  /** Writes the records; `position` is where the first of them will stand. */
  write(target: Buffer, at: number, position: Position): void;
}

/** Frames that are written and perhaps not on disk. */
interface Unsynced {
  readonly offset: number;
  readonly bytes: Buffer;
}

const BUFFER_BYTES_KEPT_MAX = 1024 * 1024;

export class LogWriter {
  readonly #disk: Disk;
  readonly #log: Log | undefined;
  readonly #directory: string;
  readonly #segments: SegmentSet;
  readonly #segmentBytesMax: number;
  #current: Segment | undefined;
  #seed = 0;
  /** Up to where the segment has bytes, be they zeros. */
  #allocated = 0;
  /** Until the disk was too full for it. */
  #preallocates = true;
  #syncedEnd = 0;
  #unsynced: Unsynced[] = [];
  #unsyncedBytes = 0;
  /** Something was written since the last sync. */
  #isDirty = false;
  #isBroken = false;
  /** Where the log ends that is known to be on disk, while there is no current segment. */
  #previous: Position;
  #nextNumber: number;
  #buffer = Buffer.allocUnsafe(64 * 1024);
  /** Since the start. */
  bytesWritten = 0;
  syncs = 0;

  constructor(
    parts: {
      readonly disk: Disk;
      readonly log?: Log | undefined;
      readonly directory: string;
      readonly segments: SegmentSet;
      readonly segmentBytesMax: number;
    },
    start: { readonly previous: Position; readonly nextNumber: number },
  ) {
    this.#disk = parts.disk;
    this.#log = parts.log;
    this.#directory = parts.directory;
    this.#segments = parts.segments;
    this.#segmentBytesMax = parts.segmentBytesMax;
    this.#previous = start.previous;
    this.#nextNumber = start.nextNumber;
  }

  /** Where the log ends. */
  get end(): Position {
    const current = this.#current;
    return current === undefined ? this.#previous : { segment: current.number, offset: current.end };
  }

  /** Up to where the log is known to be on disk. */
  get syncedEnd(): Position {
    const current = this.#current;
    return current === undefined ? this.#previous : { segment: current.number, offset: this.#syncedEnd };
  }

  /** After a failure, until `recover` has resolved. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Appends frames, one after the other; returns where the first stands. Rejects with `DiskError`: see W2. */
  async append(frames: readonly Frame[], sync: boolean): Promise<Position> {
    assert(!this.#isBroken, 'nothing is written to a log after a failure');
    const bytes = bytesOf(frames);
    try {
      const current = this.#current;
      if (current === undefined || current.end + bytes > this.#segmentBytesMax) {
        await this.#sync();
        this.#preallocates = true;
        const position = await this.#begin(frames, bytes);
        if (current !== undefined) await this.#cutZeros(current);
        return position;
      }
      const mustSync = sync || this.#unsyncedBytes + bytes > UNSYNCED_BYTES_MAX;
      const offset = current.end;
      if (mustSync && !this.#isDirty) return await this.#appendSynced(current, frames, bytes);
      const target = mustSync ? this.#reusedBuffer(bytes) : Buffer.allocUnsafe(bytes);
      this.#encode(frames, target, 0, current.number, this.#seed, offset);
      await current.file.write(offset, target.subarray(0, bytes));
      this.#isDirty = true;
      this.#grew(current, bytes, 0);
      if (mustSync) {
        await this.#sync();
      } else {
        this.#unsynced.push({ offset, bytes: target });
        this.#unsyncedBytes += bytes;
      }
      return { segment: current.number, offset };
    } catch (cause) {
      this.#break(cause);
      throw cause;
    }
  }

  /** Rejects with `DiskError`: see W2. */
  async sync(): Promise<void> {
    assert(!this.#isBroken, 'a log is not synced after a failure');
    try {
      await this.#sync();
    } catch (cause) {
      this.#break(cause);
      throw cause;
    }
  }

  /**
   * After a failure: begins a segment with what was not synced. Records that were at or behind `from` are at `to`
   * and behind then; undefined if there were none. Rejects with `DiskError`; then it may be tried again.
   */
  async recover(): Promise<{ readonly from: Position; readonly to: Position } | undefined> {
    assert(this.#isBroken, 'there was a failure');
    const old = this.#current;
    const from = this.syncedEnd;
    const unsynced = this.#unsynced;
    const frames = unsynced.flatMap(({ bytes, offset }) => this.#framesIn(bytes, offset));
    const to = await this.#begin(frames, bytesOf(frames));
    const begun = this.#current!;
    this.#isBroken = false;
    if (old === undefined) return undefined;
    const shift = to.offset - from.offset;
    old.readFrom(from.offset, (offset, length) => begun.read(offset + shift, length));
    old.end = from.offset;
    await this.#cut(old);
    return unsynced.length === 0 ? undefined : { from, to };
  }

  /** Says at the end of the log that all of it is on disk, so that the next start need not doubt it. */
  async mark(): Promise<void> {
    if (this.#isBroken || this.#current === undefined) return;
    await this.sync();
    await this.append([{ records: 0, bodyBytes: 0, write: () => undefined }], true);
    await this.#cutZeros(this.#current);
  }

  /** All that was written before is on disk. */
  async #appendSynced(current: Segment, frames: readonly Frame[], bytes: number): Promise<Position> {
    const offset = current.end;
    const zeros = this.#zerosBehind(offset + bytes, bytes);
    const target = this.#reusedBuffer(bytes + zeros);
    this.#encode(frames, target, 0, current.number, this.#seed, offset);
    target.fill(0, bytes, bytes + zeros);
    await current.file.writeSynced(offset, target.subarray(0, bytes + zeros));
    this.syncs += 1;
    this.#grew(current, bytes, zeros);
    this.#settled(current.end);
    return { segment: current.number, offset };
  }

  #zerosBehind(end: number, groupBytes: number): number {
    const isWorthIt = this.#preallocates && groupBytes <= PREALLOCATED_GROUP_BYTES_MAX;
    if (!isWorthIt || end <= this.#allocated) return 0;
    return Math.min(PREALLOCATED_BYTES, this.#segmentBytesMax - end);
  }

  #grew(current: Segment, bytes: number, zeros: number): void {
    current.end += bytes;
    this.#allocated = Math.max(this.#allocated, current.end + zeros);
    this.bytesWritten += bytes;
  }

  async #sync(): Promise<void> {
    const current = this.#current;
    if (current === undefined || !this.#isDirty) return;
    const { end } = current;
    await current.file.sync();
    this.syncs += 1;
    this.#settled(end);
  }

  #settled(end: number): void {
    this.#syncedEnd = end;
    this.#isDirty = false;
    this.#unsynced = [];
    this.#unsyncedBytes = 0;
  }

  async #begin(frames: readonly Frame[], bytes: number): Promise<Position> {
    const previous = this.syncedEnd;
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    const seed = segmentSeed(number);
    const path = segmentPath(this.#directory, number);
    const file = await this.#disk.open(path, { create: true });
    try {
      const end = SEGMENT_HEADER_BYTES + bytes;
      const target = this.#reusedBuffer(end);
      this.#encode(frames, target, SEGMENT_HEADER_BYTES, number, seed, SEGMENT_HEADER_BYTES);
      encodeSegmentHeader(target, { number, previous, groupEnd: end });
      await file.write(0, target.subarray(0, end));
      await file.sync();
      await this.#disk.syncDirectory(this.#directory);
      this.syncs += 1;
      this.bytesWritten += end;
      this.#current = new Segment(number, file, end);
      this.#segments.add(this.#current);
      this.#seed = seed;
      this.#allocated = end;
      this.#settled(end);
      return { segment: number, offset: SEGMENT_HEADER_BYTES };
    } catch (cause) {
      await file.close();
      await this.#discard(path);
      throw cause;
    }
  }

  /** From now on what is not synced is read from memory. */
  #break(cause: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    if (cause instanceof DiskError && cause.code === 'full') this.#preallocates = false;
    const current = this.#current;
    if (current === undefined) return;
    const from = this.#syncedEnd;
    const tail = Buffer.concat(this.#unsynced.map(({ bytes }) => bytes));
    this.#unsynced = tail.length === 0 ? [] : [{ offset: from, bytes: tail }];
    current.readFrom(from, (offset, length) =>
      Buffer.from(tail.subarray(offset - from, offset - from + length)),
    );
  }

  /** Frames as they were written, for another place. */
  #framesIn(bytes: Buffer, offset: number): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < bytes.length) {
      const head = readFrameHead(bytes, at, this.#seed, offset + at);
      assert(head !== undefined, 'what is kept in memory is sound');
      const start = at + FRAME_HEAD_BYTES;
      const end = start + head.bodyBytes;
      frames.push({
        records: head.records,
        bodyBytes: head.bodyBytes,
        write: (target, to) => void bytes.copy(target, to, start, end),
      });
      at = end;
    }
    return frames;
  }

  /** Writes frames at `start` of `target`, to stand at `offset` of the segment. */
  #encode(
    frames: readonly Frame[],
    target: Buffer,
    start: number,
    segment: number,
    seed: number,
    offset: number,
  ): void {
    const syncedEnd = segment === this.#current?.number ? this.#syncedEnd : 0;
    let at = start;
    for (const frame of frames) {
      const { records, bodyBytes } = frame;
      const standsAt = offset + at - start;
      frame.write(target, at + FRAME_HEAD_BYTES, { segment, offset: standsAt + FRAME_HEAD_BYTES });
      writeFrameHead(target, at, { bodyBytes, records, syncedEnd }, { seed, offset: standsAt });
      at += FRAME_HEAD_BYTES + bodyBytes;
    }
  }

  /** For bytes that are on disk before the next ones are encoded. */
  #reusedBuffer(bytes: number): Buffer {
    const length = this.#buffer.length;
    if (bytes > length || (length > BUFFER_BYTES_KEPT_MAX && bytes <= BUFFER_BYTES_KEPT_MAX)) {
      this.#buffer = Buffer.allocUnsafe(Math.max(bytes, 64 * 1024));
    }
    return this.#buffer;
  }

  /** Of a segment that gets no more. */
  async #cutZeros(segment: Segment): Promise<void> {
    if (segment.file.size > segment.end) await this.#cut(segment);
  }

  /** What the next header disowns is taken off the file. If that fails, the next start does it. */
  async #cut(segment: Segment): Promise<void> {
    try {
      await segment.file.truncate(segment.end);
    } catch (cause) {
      this.#warn('the end of a segment was not cut off', cause);
    }
  }

  /** So that failures do not fill the disk. If it stays, the header of the next segment disowns it. */
  async #discard(path: string): Promise<void> {
    try {
      await this.#disk.remove(path);
    } catch (cause) {
      this.#warn('an unfinished segment was not removed', cause);
    }
  }

  #warn(message: string, cause: unknown): void {
    if (!(cause instanceof DiskError)) throw cause;
    this.#log?.warn(message, { file: cause.path, error: cause.message });
  }
}

function bytesOf(frames: readonly Frame[]): number {
  return frames.reduce((sum, frame) => sum + FRAME_HEAD_BYTES + frame.bodyBytes, 0);
}
