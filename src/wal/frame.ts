/**
 * The bytes of a frame: what one call appended, whole or not at all.
 *
 * head     magic u32 | crc u32 | records u32 | body bytes u32 | synced end u32 | 0 u32 | index u64 | first u64
 * table    for each record: length u32 | crc u32
 * body     the records
 *
 * Every frame says of the log: `first` is its first index, and from `index` on it holds these records and
 * nothing else. So a frame without records is a truncation (of either end, or none): the log is cut by
 * appending to it, and its order of writes is its order of changes.
 *
 * The checksum of the head covers the table, and starts from the number of the segment and the offset of the
 * frame: neither a record that contains a frame nor a frame at another place passes for one. `synced end` is
 * how far the segment was known to be durable when the frame was made: damage before it is rot.
 *
 * Numbers are little-endian. 64-bit ones use 48 bits.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { assert } from '../stdx/index.ts';

export const frameMagic = Buffer.from('WaLf', 'latin1');
export const frameHeadBytes = 40;
export const recordEntryBytes = 8;
export const indexMax = 2 ** 48 - 1;

const checksummedFrom = 8;

/** A state of the log, and the records that follow. */
export interface Frame {
  readonly first: number;
  /** Of the first record; the next one to be appended if there is none. */
  readonly index: number;
  readonly records: readonly Uint8Array[];
}

export interface FrameHead {
  readonly first: number;
  readonly index: number;
  readonly count: number;
  readonly syncedEnd: number;
  /** Of the whole frame. */
  readonly bytes: number;
}

export function frameBytes(frame: Frame): number {
  let bytes = frameHeadBytes + recordEntryBytes * frame.records.length;
  for (const record of frame.records) bytes += record.length;
  return bytes;
}

/** Where in a frame its first record begins. */
export function bodyStart(count: number): number {
  return frameHeadBytes + recordEntryBytes * count;
}

/** The seed of all checksums in a segment. */
export function segmentSeed(sequence: number): number {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntLE(sequence, 0, 6);
  return crc32(bytes);
}

/** Encodes a frame into `target` at `start`, to stand at `offset` of the segment. Returns its length. */
export function encodeFrame(
  target: Buffer,
  start: number,
  frame: Frame,
  place: { readonly seed: number; readonly offset: number; readonly syncedEnd: number },
): number {
  const { records } = frame;
  const tableEnd = start + bodyStart(records.length);
  let entry = start + frameHeadBytes;
  let at = tableEnd;
  for (const record of records) {
    target.writeUInt32LE(record.length, entry);
    target.writeUInt32LE(crc32(record), entry + 4);
    target.set(record, at);
    entry += recordEntryBytes;
    at += record.length;
  }
  target.set(frameMagic, start);
  target.writeUInt32LE(records.length, start + 8);
  target.writeUInt32LE(at - tableEnd, start + 12);
  target.writeUInt32LE(place.syncedEnd, start + 16);
  target.writeUInt32LE(0, start + 20);
  writeU64(target, frame.index, start + 24);
  writeU64(target, frame.first, start + 32);
  const crc = headCrc(target.subarray(start, tableEnd), place.seed, place.offset);
  target.writeUInt32LE(crc, start + 4);
  return at - start;
}

/** How many bytes head and table take, if this is a head at all: it is not checked yet. */
export function claimedHeadBytes(head: Buffer): number | undefined {
  if (!head.subarray(0, 4).equals(frameMagic)) return undefined;
  return bodyStart(head.readUInt32LE(8));
}

/** Undefined unless `head`, with its table, is what was written at `offset` of the segment. */
export function decodeHead(head: Buffer, seed: number, offset: number): FrameHead | undefined {
  if (head.readUInt32LE(4) !== headCrc(head, seed, offset)) return undefined;
  const count = head.readUInt32LE(8);
  return {
    first: readU64(head, 32),
    index: readU64(head, 24),
    count,
    syncedEnd: head.readUInt32LE(16),
    bytes: bodyStart(count) + head.readUInt32LE(12),
  };
}

/** Length and checksum of the `i`-th record of a frame that begins at `start` of `bytes`. */
export function recordEntry(bytes: Buffer, start: number, i: number): { length: number; crc: number } {
  const at = start + frameHeadBytes + recordEntryBytes * i;
  return { length: bytes.readUInt32LE(at), crc: bytes.readUInt32LE(at + 4) };
}

export function writeU64(target: Buffer, value: number, at: number): void {
  assert(value >= 0 && value <= indexMax, 'a number fits into 48 bits');
  target.writeUIntLE(value, at, 6);
  target.writeUInt16LE(0, at + 6);
}

export function readU64(source: Buffer, at: number): number {
  return source.readUIntLE(at, 6);
}

function headCrc(head: Buffer, seed: number, offset: number): number {
  return crc32(head.subarray(checksummedFrom), (seed ^ offset) >>> 0);
}
