/**
 * The bytes of the log: frames of records. A frame is one batch and counts whole or not at all.
 *
 * frame    magic u32 | crc u32 | body bytes u32 | records u32 | synced end u32 | records
 * record   head crc u32 | value crc u32 | kind u8, key length u24 | value length u32 | key | value
 *
 * All numbers are little-endian. A frame head's checksum starts from the segment's number and the frame's
 * offset, so that bytes which a user stores, or a frame that went elsewhere, do not pass for one. A record's
 * head checksum covers its kind, lengths and key; the value's starts from that one, so that it covers the key
 * too. A record is thus the same bytes wherever it stands, and collection copies it as it is.
 *
 * `synced end` is how far the segment was known to be on disk when the frame was made: what is damaged before
 * it has rotted; what is damaged behind all of them may never have been written.
 *
 * A range record deletes what stands before its *effective* position; it is kept in the record because
 * collection moves the record. Key: where the range begins. Value: segment u32 | offset u32 | bounded u8 | end.
 */
import { Buffer } from 'node:buffer';
import { crc32 as crc32OfBuffer } from 'node:zlib';
import { assert, crc32 } from '../../stdx/index.ts';
import type { KeyRange, WriteBatch } from '../storage-engine.ts';
import type { Position } from './position.ts';

export const FRAME_HEAD_BYTES = 20;
export const RECORD_HEAD_BYTES = 16;
export const FRAME_MAGIC = Buffer.from('HaFr', 'latin1');

export const KEY_BYTES_MAX = 0xffffff;
const FRAME_BODY_BYTES_MAX = 2 ** 31 - 1;
const RANGE_HEAD_BYTES = 9;

export const RECORD_DELETE = 0;
export const RECORD_PUT = 1;
export const RECORD_LOST = 2;
export const RECORD_RANGE = 3;

export interface FrameHead {
  readonly bodyBytes: number;
  readonly records: number;
  readonly syncedEnd: number;
}

/** A record in `bytes`, from `start` up to `end`. */
export interface LogRecord {
  readonly kind: number;
  readonly start: number;
  readonly keyStart: number;
  readonly valueStart: number;
  readonly end: number;
}

export interface DeletedRange extends Position {
  readonly from: Buffer;
  /** Undefined: without end. */
  readonly to: Buffer | undefined;
}

/** What a frame's checksums of one segment start from. */
export function segmentSeed(segment: number): number {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(segment, 0);
  return crc32(bytes, 0, bytes.length);
}

/** Writes a frame's head; `place` is where the frame will stand in its segment. */
export function writeFrameHead(
  target: Buffer,
  at: number,
  head: FrameHead,
  place: { readonly seed: number; readonly offset: number },
): void {
  assert(head.bodyBytes <= FRAME_BODY_BYTES_MAX, 'a batch fits into a frame');
  FRAME_MAGIC.copy(target, at);
  target.writeUInt32LE(head.bodyBytes, at + 8);
  target.writeUInt32LE(head.records, at + 12);
  target.writeUInt32LE(head.syncedEnd, at + 16);
  target.writeUInt32LE(frameCrc(target, at, place.seed, place.offset), at + 4);
}

/** Undefined unless the frame that begins `at` of `bytes` is one that was written at `offset` of the segment. */
export function readFrameHead(
  bytes: Buffer,
  at: number,
  seed: number,
  offset: number,
): FrameHead | undefined {
  if (at + FRAME_HEAD_BYTES > bytes.length) return undefined;
  if (bytes.readUInt32LE(at) !== FRAME_MAGIC.readUInt32LE(0)) return undefined;
  if (bytes.readUInt32LE(at + 4) !== frameCrc(bytes, at, seed, offset)) return undefined;
  return {
    bodyBytes: bytes.readUInt32LE(at + 8),
    records: bytes.readUInt32LE(at + 12),
    syncedEnd: bytes.readUInt32LE(at + 16),
  };
}

/** Writes the records of a batch; returns where they end. */
export function writeRecords(
  target: Buffer,
  start: number,
  batch: WriteBatch,
  lost?: ReadonlySet<number>,
): number {
  const { keys, values } = batch;
  let at = start;
  for (let i = 0; i < keys.length; i++) {
    const value = values[i];
    const kind = lost?.has(i) ? RECORD_LOST : value === undefined ? RECORD_DELETE : RECORD_PUT;
    at = writeRecord(target, at, kind, keys[i]!, value);
  }
  return at;
}

export function writeRecord(
  target: Buffer,
  at: number,
  kind: number,
  key: Buffer,
  value: Buffer | undefined,
): number {
  const keyBytes = key.length;
  assert(keyBytes <= KEY_BYTES_MAX, 'a key fits into a record');
  const valueBytes = value === undefined ? 0 : value.length;
  const valueStart = at + RECORD_HEAD_BYTES + keyBytes;
  target.writeUInt32LE(((keyBytes << 8) | kind) >>> 0, at + 8);
  target.writeUInt32LE(valueBytes, at + 12);
  target.set(key, at + RECORD_HEAD_BYTES);
  const headCrc = checksumOf(target, at + 8, valueStart);
  target.writeUInt32LE(headCrc, at);
  if (value === undefined) {
    target.writeUInt32LE(headCrc, at + 4);
    return valueStart;
  }
  target.writeUInt32LE(checksumOf(value, 0, valueBytes, headCrc), at + 4);
  target.set(value, valueStart);
  return valueStart + valueBytes;
}

/** Undefined if no record with a sound head stands between `at` and `end`. Its value is not checked. */
export function readRecord(bytes: Buffer, at: number, end: number): LogRecord | undefined {
  const keyStart = at + RECORD_HEAD_BYTES;
  if (keyStart > end) return undefined;
  const word = bytes.readUInt32LE(at + 8);
  const kind = word & 0xff;
  const valueStart = keyStart + (word >>> 8);
  if (kind > RECORD_RANGE || valueStart > end) return undefined;
  const recordEnd = valueStart + bytes.readUInt32LE(at + 12);
  if (recordEnd > end) return undefined;
  if (checksumOf(bytes, at + 8, valueStart) !== bytes.readUInt32LE(at)) return undefined;
  return { kind, start: at, keyStart, valueStart, end: recordEnd };
}

/** Of a record whose head is sound. */
export function isValueSound(bytes: Buffer, { start, valueStart, end }: LogRecord): boolean {
  const headCrc = bytes.readUInt32LE(start);
  return checksumOf(bytes, valueStart, end, headCrc) === bytes.readUInt32LE(start + 4);
}

/** The value of `key` if `bytes` are its record, whole and sound; a view of them. */
export function valueOfRecord(bytes: Buffer, key: Buffer): Buffer | undefined {
  const record = readRecord(bytes, 0, bytes.length);
  if (record === undefined || record.kind !== RECORD_PUT || record.end !== bytes.length) return undefined;
  if (!isValueSound(bytes, record) || record.valueStart - record.keyStart !== key.length) return undefined;
  for (let i = 0; i < key.length; i++) if (bytes[RECORD_HEAD_BYTES + i] !== key[i]) return undefined;
  return bytes.subarray(record.valueStart);
}

/** The value of a range record that takes effect at `position`. */
export function rangeValue(range: KeyRange, position: Position): Buffer {
  const { to } = range;
  const value = Buffer.alloc(RANGE_HEAD_BYTES + (to?.length ?? 0));
  value.writeUInt32LE(position.segment, 0);
  value.writeUInt32LE(position.offset, 4);
  value[8] = to === undefined ? 0 : 1;
  if (to !== undefined) value.set(to, RANGE_HEAD_BYTES);
  return value;
}

/** Of a sound range record. The buffers are copies. */
export function deletedRangeOf(bytes: Buffer, { keyStart, valueStart, end }: LogRecord): DeletedRange {
  const isBounded = bytes[valueStart + 8] === 1;
  return {
    from: Buffer.from(bytes.subarray(keyStart, valueStart)),
    to: isBounded ? Buffer.from(bytes.subarray(valueStart + RANGE_HEAD_BYTES, end)) : undefined,
    segment: bytes.readUInt32LE(valueStart),
    offset: bytes.readUInt32LE(valueStart + 4),
  };
}

function frameCrc(bytes: Buffer, at: number, seed: number, offset: number): number {
  return crc32(bytes, at + 8, at + FRAME_HEAD_BYTES, (seed ^ offset) >>> 0);
}

/** From so many bytes on the native function is worth the call. */
const NATIVE_CHECKSUM_BYTES_MIN = 192;

function checksumOf(bytes: Buffer, start: number, end: number, before = 0): number {
  if (end - start < NATIVE_CHECKSUM_BYTES_MIN) return crc32(bytes, start, end, before);
  return crc32OfBuffer(bytes.subarray(start, end), before);
}
