/**
 * Cuts a segment into frames and gaps between them, whatever has become of it. Pure but for the reads.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { DiskError, type DiskFile } from '../environment/index.ts';
import {
  bodyStart,
  claimedHeadBytes,
  decodeHead,
  type FrameHead,
  frameHeadBytes,
  frameMagic,
  recordEntry,
  segmentSeed,
} from './frame.ts';

const windowBytes = 256 * 1024;
const searchBytes = 4096;

/** Reads a file through a window. A range that the device refuses reads as undefined. */
export class SegmentBytes {
  readonly size: number;
  readonly #file: DiskFile;
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;

  constructor(file: DiskFile) {
    this.#file = file;
    this.size = file.size;
  }

  /** Valid until the next read. */
  read(from: number, to: number): Buffer | undefined {
    const windowEnd = this.#windowStart + this.#window.length;
    if (from < this.#windowStart || to > windowEnd) {
      const wanted = Math.max(to, Math.min(this.size, from + windowBytes));
      const bytes = this.#tryRead(from, wanted) ?? this.#tryRead(from, to);
      if (bytes === undefined) return undefined;
      this.#window = bytes;
      this.#windowStart = from;
    }
    return this.#window.subarray(from - this.#windowStart, to - this.#windowStart);
  }

  #tryRead(from: number, to: number): Buffer | undefined {
    try {
      return this.#file.read(from, to - from);
    } catch (cause) {
      if (cause instanceof DiskError) return undefined;
      throw cause;
    }
  }
}

export type Piece =
  | {
      readonly kind: 'frame';
      readonly from: number;
      readonly to: number;
      readonly head: FrameHead;
      readonly records: readonly ScannedRecord[];
    }
  | {
      readonly kind: 'gap';
      readonly from: number;
      readonly to: number;
      /** Nothing but zeros: it was never written, or is only preallocated. */
      readonly isBlank: boolean;
      /** The device would not read some of it. */
      readonly isRefused: boolean;
    };

export interface ScannedRecord {
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
  readonly fate: 'sound' | 'damaged' | 'refused';
}

/** The pieces between `from`, where a frame begins, and `limit`, without holes or overlaps. */
export function scanSegment(bytes: SegmentBytes, sequence: number, from: number, limit: number): Piece[] {
  const scan = new Scan(bytes, segmentSeed(sequence), Math.min(limit, bytes.size));
  const pieces: Piece[] = [];
  let at = from;
  while (at < scan.limit) {
    const piece = scan.frameAt(at) ?? scan.gapAt(at);
    pieces.push(piece);
    at = piece.to;
  }
  if (at < limit) {
    pieces.push({ kind: 'gap', from: at, to: limit, isBlank: true, isRefused: false });
  }
  return pieces;
}

class Scan {
  readonly limit: number;
  readonly #bytes: SegmentBytes;
  readonly #seed: number;

  constructor(bytes: SegmentBytes, seed: number, limit: number) {
    this.#bytes = bytes;
    this.#seed = seed;
    this.limit = limit;
  }

  frameAt(at: number): Piece | undefined {
    const head = this.#headAt(at);
    if (head === undefined) return undefined;
    // Read again: the window may have moved.
    const table = Buffer.from(this.#bytes.read(at, at + bodyStart(head.count))!);
    const records: ScannedRecord[] = [];
    let offset = at + table.length;
    for (let i = 0; i < head.count; i++) {
      const { length, crc } = recordEntry(table, 0, i);
      const record = this.#bytes.read(offset, offset + length);
      const fate = record === undefined ? 'refused' : crc32(record) === crc ? 'sound' : 'damaged';
      records.push({ offset, length, crc, fate });
      offset += length;
    }
    return { kind: 'frame', from: at, to: at + head.bytes, head, records };
  }

  /** From `from` to the next frame, or to the limit. */
  gapAt(from: number): Piece {
    let isBlank = true;
    let isRefused = false;
    for (let at = from; at < this.limit; at += searchBytes) {
      const end = Math.min(this.limit, at + searchBytes);
      const window = this.#bytes.read(at, Math.min(this.limit, end + frameMagic.length - 1));
      if (window === undefined) {
        isRefused = true;
        isBlank = false;
        continue;
      }
      // A copy: looking at candidates moves the window.
      const block = Buffer.from(window);
      for (let i = block.indexOf(frameMagic); i >= 0; i = block.indexOf(frameMagic, i + 1)) {
        if (at + i === from || this.#headAt(at + i) === undefined) continue;
        isBlank &&= isZero(block.subarray(0, i));
        return { kind: 'gap', from, to: at + i, isBlank, isRefused };
      }
      isBlank &&= isZero(block);
    }
    return { kind: 'gap', from, to: this.limit, isBlank, isRefused };
  }

  #headAt(at: number): FrameHead | undefined {
    if (at + frameHeadBytes > this.limit) return undefined;
    const start = this.#bytes.read(at, at + frameHeadBytes);
    const claimed = start === undefined ? undefined : claimedHeadBytes(start);
    if (claimed === undefined || at + claimed > this.limit) return undefined;
    const whole = this.#bytes.read(at, at + claimed);
    const head = whole === undefined ? undefined : decodeHead(whole, this.#seed, at);
    return head === undefined || at + head.bytes > this.limit ? undefined : head;
  }
}

function isZero(bytes: Buffer): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
