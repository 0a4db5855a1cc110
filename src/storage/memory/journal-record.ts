/**
 * The bytes of a journal file: a header, then records; a record is one batch.
 *
 * file header   "HALEJRNL" | version u32 | generation u64 | crc u32
 * record        magic u32 | crc of the head u32 | body length u32 | body crc u32 | synced end u64 | body
 * body          entries: kind u8 | key length u32 | value length u32 | crc of these and the key u32 |
 *               value crc u32 | key | value
 *
 * All numbers are little-endian. The head's checksum also covers the generation of the file and the
 * offset of the record, so that no bytes a user stores, and none left from before, pass for a record.
 * `synced end` is how far the file was known to be on disk when the record was made: what is damaged
 * before it has rotted; what is damaged behind all of them may never have been written.
 * A value's checksum covers its key, too.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { assert } from '../../stdx/index.ts';
import type { WriteBatch } from '../storage-engine.ts';

export const FILE_HEADER_BYTES = 24;
export const RECORD_HEAD_BYTES = 24;
export const ENTRY_HEAD_BYTES = 17;
export const RECORD_MAGIC = Buffer.from('HaLe', 'latin1');

const FILE_MAGIC = Buffer.from('HALEJRNL', 'latin1');
const FORMAT_VERSION = 1;
const BODY_BYTES_MAX = 0x7fffffff;
const TWO_POW_32 = 2 ** 32;

export type EntryKind = 'delete' | 'put' | 'lost';
/** `lost`: the value rotted before the file was rolled; its key must not read as missing. */
const KINDS: readonly EntryKind[] = ['delete', 'put', 'lost'];

export interface RecordHead {
  readonly bodyBytes: number;
  readonly bodyCrc: number;
  readonly syncedEnd: number;
}

export interface JournalEntry {
  readonly kind: EntryKind;
  readonly key: Buffer;
  /** Of the value, in the body. */
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
}

/** Where each value of an encoded batch is, by index in the batch. */
export interface EncodedValue {
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
}

export function fileHeader(generation: number): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  FILE_MAGIC.copy(header, 0);
  header.writeUInt32LE(FORMAT_VERSION, 8);
  writeU64(header, generation, 12);
  header.writeUInt32LE(crc32(header.subarray(0, 20)), 20);
  return header;
}

/** `foreign`: sound, but of another version. `damaged`: it says nothing that could be trusted. */
export function checkFileHeader(header: Buffer, generation: number): 'sound' | 'foreign' | 'damaged' {
  if (header.equals(fileHeader(generation))) return 'sound';
  const sound =
    header.subarray(0, 8).equals(FILE_MAGIC) && crc32(header.subarray(0, 20)) === header.readUInt32LE(20);
  return sound ? 'foreign' : 'damaged';
}

export function valueCrc(key: Buffer, value: Buffer): number {
  return crc32(value, crc32(key));
}

export function recordBytes(batch: WriteBatch): number {
  return RECORD_HEAD_BYTES + batch.length * ENTRY_HEAD_BYTES + batch.byteLength;
}

/**
 * Encodes a batch as a record that will stand at `offset` of the file; it goes into `target` at `start`.
 * `lost` lists indexes of the batch whose value rotted. Returns where the values are in the file.
 */
export function encodeRecord(
  target: Buffer,
  start: number,
  batch: WriteBatch,
  place: { readonly generation: number; readonly offset: number; readonly syncedEnd: number },
  lost?: ReadonlySet<number>,
): EncodedValue[] {
  const bodyStart = start + RECORD_HEAD_BYTES;
  const fileShift = place.offset - start;
  const values: EncodedValue[] = [];
  let at = bodyStart;
  for (let i = 0; i < batch.length; i++) {
    const key = batch.keys[i]!;
    const value = batch.values[i];
    const kind = lost?.has(i) ? 2 : value === undefined ? 0 : 1;
    const length = value?.length ?? 0;
    const crc = value === undefined ? 0 : valueCrc(key, value);
    target[at] = kind;
    target.writeUInt32LE(key.length, at + 1);
    target.writeUInt32LE(length, at + 5);
    target.writeUInt32LE(crc32(key, crc32(target.subarray(at, at + 9))), at + 9);
    target.writeUInt32LE(crc, at + 13);
    at += ENTRY_HEAD_BYTES;
    target.set(key, at);
    at += key.length;
    if (value !== undefined) target.set(value, at);
    values.push({ offset: at + fileShift, length, crc });
    at += length;
  }
  assert(at - start === recordBytes(batch), 'a record has the size that was computed');
  assert(at - bodyStart <= BODY_BYTES_MAX, 'a batch fits into a record');
  RECORD_MAGIC.copy(target, start);
  target.writeUInt32LE(at - bodyStart, start + 8);
  target.writeUInt32LE(crc32(target.subarray(bodyStart, at)), start + 12);
  writeU64(target, place.syncedEnd, start + 16);
  const head = target.subarray(start, bodyStart);
  target.writeUInt32LE(headCrc(head, place.generation, place.offset), start + 4);
  return values;
}

/** Undefined unless a sound record head of this file stands at `offset`. */
export function decodeRecordHead(head: Buffer, generation: number, offset: number): RecordHead | undefined {
  if (!head.subarray(0, 4).equals(RECORD_MAGIC)) return undefined;
  if (head.readUInt32LE(4) !== headCrc(head, generation, offset)) return undefined;
  return {
    bodyBytes: head.readUInt32LE(8),
    bodyCrc: head.readUInt32LE(12),
    syncedEnd: readU64(head, 16),
  };
}

/**
 * The entries of a body, up to the first whose head is damaged. For a body whose checksum holds that is
 * all; for one that rotted it is what can be saved: keys are sound, values check themselves when read.
 */
export function decodeBody(body: Buffer): {
  readonly entries: readonly JournalEntry[];
  readonly readTo: number;
} {
  const entries: JournalEntry[] = [];
  let at = 0;
  while (at + ENTRY_HEAD_BYTES <= body.length) {
    const kind = KINDS[body[at]!];
    const keyBytes = body.readUInt32LE(at + 1);
    const length = body.readUInt32LE(at + 5);
    const keyStart = at + ENTRY_HEAD_BYTES;
    const valueStart = keyStart + keyBytes;
    if (kind === undefined || valueStart + length > body.length) break;
    const key = body.subarray(keyStart, valueStart);
    if (crc32(key, crc32(body.subarray(at, at + 9))) !== body.readUInt32LE(at + 9)) break;
    entries.push({ kind, key, offset: valueStart, length, crc: body.readUInt32LE(at + 13) });
    at = valueStart + length;
  }
  return { entries, readTo: at };
}

function headCrc(head: Buffer, generation: number, offset: number): number {
  const seed = Buffer.allocUnsafe(16);
  writeU64(seed, generation, 0);
  writeU64(seed, offset, 8);
  return crc32(head.subarray(8, RECORD_HEAD_BYTES), crc32(seed));
}

function writeU64(target: Buffer, value: number, at: number): void {
  target.writeUInt32LE(value % TWO_POW_32, at);
  target.writeUInt32LE(Math.floor(value / TWO_POW_32), at + 4);
}

function readU64(source: Buffer, at: number): number {
  return source.readUInt32LE(at) + source.readUInt32LE(at + 4) * TWO_POW_32;
}
