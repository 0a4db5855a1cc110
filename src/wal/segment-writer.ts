/**
 * Writes groups of frames: one write and one sync each, at the end of the current segment.
 *
 * A failed write or sync is final for its segment. After a failed fsync the kernel may mark the pages clean
 * and forget the error, so that a second fsync succeeds and says nothing (PostgreSQL's "fsyncgate", 2018;
 * Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020). So the group, which is still in
 * memory, is written whole to a new segment, whose header says where the old one ends. If that fails too, the
 * group has failed, and the next one begins with a new segment again.
 */
import { Buffer } from 'node:buffer';
import { type Disk, DiskError, type Log } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';
import { encodeFrame, type Frame, frameBytes, segmentSeed } from './frame.ts';
import type { Segment } from './segment.ts';
import {
  type DurablePoint,
  encodeHeader,
  type SegmentHeader,
  segmentHeaderBytes,
  segmentPath,
} from './segment-header.ts';
import type { WalLimits } from './wal-limits.ts';

/** Larger groups gain nothing from preallocation: the zeros would cost more than the new length. */
const preallocatedGroupBytesMax = 16 * 1024;
/** A buffer that a group has left larger than this is given back. */
const keptBufferBytesMax = 1024 * 1024;

/** Where a group went: `bytes` hold its frames one after the other, the first at `offset` of the segment. */
export interface WrittenGroup {
  readonly segment: Segment;
  readonly offset: number;
  /** Valid until the next group is written. */
  readonly bytes: Buffer;
}

interface Current {
  readonly segment: Segment;
  readonly seed: number;
  end: number;
  /** As far as the file is long: zeros from `end` on. */
  allocated: number;
}

export class SegmentWriter {
  readonly #disk: Disk;
  readonly #log: Log;
  readonly #directory: string;
  readonly #limits: WalLimits;
  #current: Current | undefined;
  #durable: DurablePoint;
  #nextSequence: number;
  #buffer = Buffer.allocUnsafe(64 * 1024);
  /** Not since the disk was found full: what is left of it is for records. */
  #preallocates = true;
  syncs = 0;

  /** Every life begins a segment of its own, so that nothing is written over what vouches for the last. */
  constructor(
    parts: { disk: Disk; log: Log; directory: string; limits: WalLimits },
    start: { readonly durable: DurablePoint; readonly nextSequence: number },
  ) {
    this.#disk = parts.disk;
    this.#log = parts.log;
    this.#directory = parts.directory;
    this.#limits = parts.limits;
    this.#durable = start.durable;
    this.#nextSequence = start.nextSequence;
  }

  get currentSegment(): Segment | undefined {
    return this.#current?.segment;
  }

  /**
   * Makes the frames durable. `before` is the state of the log that they follow. Rejects with `DiskError`:
   * then they are not in the log.
   */
  async write(
    frames: readonly Frame[],
    before: { readonly first: number; readonly next: number },
  ): Promise<WrittenGroup> {
    let bytes = 0;
    for (const frame of frames) bytes += frameBytes(frame);
    const current = this.#current;
    if (current !== undefined && current.end + bytes > this.#limits.segmentBytesMax) {
      // For good, also if the new one fails: what is left of that may say where this one ends.
      this.#current = undefined;
      this.#preallocates = true;
    } else if (current !== undefined) {
      try {
        return await this.#append(current, frames, bytes);
      } catch (cause) {
        if (!(cause instanceof DiskError)) throw cause;
        this.#current = undefined;
        if (cause.code === 'full') this.#preallocates = false;
        this.#log.warn('a segment of the log is left after a failure', {
          file: cause.path,
          error: cause.message,
        });
      }
    }
    return this.#begin(frames, bytes, before);
  }

  /** Says at the end of the segment that all of it is durable, so that the next start need not doubt it. */
  async mark(state: { readonly first: number; readonly next: number }): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const frame: Frame = { first: state.first, index: state.next, records: [] };
    const bytes = this.#encode([frame], frameBytes(frame), 0, current.seed, current.end);
    await current.segment.file.write(current.end, bytes);
    await current.segment.file.sync();
    this.#current = undefined;
  }

  async #append(current: Current, frames: readonly Frame[], bytes: number): Promise<WrittenGroup> {
    const { segment, seed, end: offset } = current;
    const encoded = this.#encode(frames, bytes, 0, seed, offset);
    const padding = this.#padding(current, bytes);
    if (padding > 0) this.#buffer.fill(0, bytes, bytes + padding);
    await segment.file.write(offset, this.#buffer.subarray(0, bytes + padding));
    await segment.file.sync();
    this.syncs += 1;
    current.end = offset + bytes;
    current.allocated = Math.max(current.allocated, offset + bytes + padding);
    this.#durable = { sequence: segment.sequence, end: current.end };
    return { segment, offset, bytes: encoded };
  }

  async #begin(
    frames: readonly Frame[],
    bytes: number,
    before: { readonly first: number; readonly next: number },
  ): Promise<WrittenGroup> {
    const sequence = this.#nextSequence;
    this.#nextSequence += 1;
    const seed = segmentSeed(sequence);
    const { first, next } = before;
    const groupEnd = segmentHeaderBytes + bytes;
    const header: SegmentHeader = { sequence, first, next, durable: this.#durable, groupEnd };
    const file = await this.#disk.open(segmentPath(this.#directory, sequence), { create: true });
    const segment = { sequence, file };
    try {
      const encoded = this.#encode(frames, bytes, segmentHeaderBytes, seed, segmentHeaderBytes);
      encodeHeader(this.#buffer, header);
      await file.write(0, this.#buffer.subarray(0, groupEnd));
      await file.sync();
      await this.#disk.syncDirectory(this.#directory);
      this.syncs += 1;
      this.#current = { segment, seed, end: groupEnd, allocated: groupEnd };
      this.#durable = { sequence, end: groupEnd };
      return { segment, offset: segmentHeaderBytes, bytes: encoded };
    } catch (cause) {
      await file.close();
      await this.#discard(file.path);
      throw cause;
    }
  }

  /** So that failures do not fill the disk. If it stays, the header of the next segment disowns it. */
  async #discard(path: string): Promise<void> {
    try {
      await this.#disk.remove(path);
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause;
      this.#log.warn('an unfinished segment of the log was not removed', {
        file: path,
        error: cause.message,
      });
    }
  }

  /** Frames at `start` of the buffer, to stand at `offset` of the segment, where its durable part ends. */
  #encode(frames: readonly Frame[], bytes: number, start: number, seed: number, offset: number): Buffer {
    this.#reserve(start + bytes + this.#limits.preallocatedBytes);
    let at = start;
    for (const frame of frames) {
      const place = { seed, offset: offset + at - start, syncedEnd: offset };
      at += encodeFrame(this.#buffer, at, frame, place);
    }
    assert(at - start === bytes, 'frames have the size that was computed');
    return this.#buffer.subarray(start, at);
  }

  #padding(current: Current, bytes: number): number {
    const end = current.end + bytes;
    if (!this.#preallocates || bytes > preallocatedGroupBytesMax || end <= current.allocated) return 0;
    return Math.min(this.#limits.preallocatedBytes, this.#limits.segmentBytesMax - end);
  }

  #reserve(bytes: number): void {
    const fits = bytes <= this.#buffer.length;
    if (fits && (this.#buffer.length <= keptBufferBytesMax || bytes > keptBufferBytesMax)) return;
    this.#buffer = Buffer.allocUnsafe(Math.max(bytes, 64 * 1024));
  }
}
