/**
 * The header of a segment, and the names of the engine's files.
 *
 * header   "HALELOG1" | version u32 | number u32 | previous number u32 | previous end u32 | group end u32 |
 *          crc u32, at 0 and again at 512: one damaged sector does not cost the header
 *
 * It says where the log ended when the segment was begun: what is behind that end, there and in segments
 * between, had failed and does not belong to the log. It counts only if all of the first group, up to
 * `group end`, is there: what was begun and not finished says nothing.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { Position } from './position.ts';

/** Where the first frame stands. */
export const SEGMENT_HEADER_BYTES = 1024;

const MAGIC = Buffer.from('HALELOG1', 'latin1');
const FORMAT_VERSION = 1;
const COPY_BYTES = 32;
const COPY_OFFSETS = [0, 512];
const SEGMENT_NAME = /^([0-9]{10})\.log$/;
const RUN_NAME = /^([0-9]{10})\.run$/;

export interface SegmentHeader {
  readonly number: number;
  /** Where the log ended before; segment 0 stands for: nowhere yet. */
  readonly previous: Position;
  readonly groupEnd: number;
}

export type DecodedHeader =
  | { readonly kind: 'sound'; readonly header: SegmentHeader }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'damaged' };

export function encodeSegmentHeader(target: Buffer, header: SegmentHeader): void {
  target.fill(0, 0, SEGMENT_HEADER_BYTES);
  for (const at of COPY_OFFSETS) {
    MAGIC.copy(target, at);
    target.writeUInt32LE(FORMAT_VERSION, at + 8);
    target.writeUInt32LE(header.number, at + 12);
    target.writeUInt32LE(header.previous.segment, at + 16);
    target.writeUInt32LE(header.previous.offset, at + 20);
    target.writeUInt32LE(header.groupEnd, at + 24);
    target.writeUInt32LE(crc32(target.subarray(at, at + COPY_BYTES - 4)), at + COPY_BYTES - 4);
  }
}

/** `bytes` may be shorter than a header. */
export function decodeSegmentHeader(bytes: Buffer, number: number): DecodedHeader {
  for (const at of COPY_OFFSETS) {
    const copy = bytes.subarray(at, at + COPY_BYTES);
    if (copy.length < COPY_BYTES || !copy.subarray(0, MAGIC.length).equals(MAGIC)) continue;
    if (crc32(copy.subarray(0, COPY_BYTES - 4)) !== copy.readUInt32LE(COPY_BYTES - 4)) continue;
    if (copy.readUInt32LE(8) !== FORMAT_VERSION) return { kind: 'foreign' };
    if (copy.readUInt32LE(12) !== number) continue;
    const previous = { segment: copy.readUInt32LE(16), offset: copy.readUInt32LE(20) };
    return { kind: 'sound', header: { number, previous, groupEnd: copy.readUInt32LE(24) } };
  }
  return { kind: 'damaged' };
}

export function segmentPath(directory: string, number: number): string {
  return `${directory}/${String(number).padStart(10, '0')}.log`;
}

export function runPath(directory: string, number: number): string {
  return `${directory}/${String(number).padStart(10, '0')}.run`;
}

/** The numbers of the segments among names of files, in order. */
export function segmentNumbers(names: readonly string[]): number[] {
  return numbersIn(names, SEGMENT_NAME);
}

export function runNumbers(names: readonly string[]): number[] {
  return numbersIn(names, RUN_NAME);
}

function numbersIn(names: readonly string[], pattern: RegExp): number[] {
  const numbers = names.flatMap((name) => {
    const match = pattern.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  return numbers.sort((a, b) => a - b);
}
