/**
 * A segment: a file of frames behind a header, named by its number in the sequence of segments.
 *
 * header   "HALEWAL1" | version u32 | sequence u64 | first u64 | next u64 | durable sequence u64 |
 *          durable end u64 | group end u64 | crc u32, at 0 and again at 512: one damaged sector does not
 *          cost the header
 *
 * The header says of the log, as it was when the segment was begun: its first index, the next one, and up to
 * where it was durable: the end of one earlier segment. What is behind that end, there and in the segments
 * between, had failed: it does not belong to the log, whatever is left of it. The header counts only if it is
 * known that the segment was finished: all of its first group, up to `group end`, is there, or more than that.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { readU64, writeU64 } from './frame.ts';

/** Where the first frame stands. */
export const segmentHeaderBytes = 1024;

const magic = Buffer.from('HALEWAL1', 'latin1');
const formatVersion = 1;
const copyBytes = 64;
const copyOffsets = [0, 512];
const namePattern = /^([0-9]{15})\.wal$/;

/** An end of what is durable. Sequence 0 stands for: nothing yet. */
export interface DurablePoint {
  readonly sequence: number;
  readonly end: number;
}

export interface SegmentHeader {
  readonly sequence: number;
  readonly first: number;
  readonly next: number;
  readonly durable: DurablePoint;
  /** Where the first group ends, which was written with the header. */
  readonly groupEnd: number;
}

export function segmentName(sequence: number): string {
  return `${String(sequence).padStart(15, '0')}.wal`;
}

export function pathIn(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

export function segmentPath(directory: string, sequence: number): string {
  return pathIn(directory, segmentName(sequence));
}

/** Undefined if the name is not that of a segment. */
export function sequenceOf(name: string): number | undefined {
  const match = namePattern.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function encodeHeader(target: Buffer, header: SegmentHeader): void {
  target.fill(0, 0, segmentHeaderBytes);
  for (const at of copyOffsets) {
    target.set(magic, at);
    target.writeUInt32LE(formatVersion, at + 8);
    writeU64(target, header.sequence, at + 12);
    writeU64(target, header.first, at + 20);
    writeU64(target, header.next, at + 28);
    writeU64(target, header.durable.sequence, at + 36);
    writeU64(target, header.durable.end, at + 44);
    writeU64(target, header.groupEnd, at + 52);
    target.writeUInt32LE(crc32(target.subarray(at, at + copyBytes - 4)), at + copyBytes - 4);
  }
}

export type DecodedHeader =
  | { readonly kind: 'sound'; readonly header: SegmentHeader; readonly damagedCopies: readonly number[] }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'damaged' };

/** `damagedCopies` are offsets. `copies` may be shorter than a header. */
export function decodeHeader(bytes: Buffer, sequence: number): DecodedHeader {
  let header: SegmentHeader | undefined;
  const damagedCopies: number[] = [];
  for (const at of copyOffsets) {
    const copy = bytes.subarray(at, at + copyBytes);
    if (!isSound(copy)) {
      damagedCopies.push(at);
      continue;
    }
    if (copy.readUInt32LE(8) !== formatVersion) return { kind: 'foreign' };
    if (readU64(copy, 12) !== sequence) damagedCopies.push(at);
    else header = decodeCopy(copy);
  }
  return header === undefined ? { kind: 'damaged' } : { kind: 'sound', header, damagedCopies };
}

export const headerCopyBytes = copyBytes;

function isSound(copy: Buffer): boolean {
  if (copy.length < copyBytes || !copy.subarray(0, 8).equals(magic)) return false;
  return crc32(copy.subarray(0, copyBytes - 4)) === copy.readUInt32LE(copyBytes - 4);
}

function decodeCopy(copy: Buffer): SegmentHeader {
  return {
    sequence: readU64(copy, 12),
    first: readU64(copy, 20),
    next: readU64(copy, 28),
    durable: { sequence: readU64(copy, 36), end: readU64(copy, 44) },
    groupEnd: readU64(copy, 52),
  };
}
