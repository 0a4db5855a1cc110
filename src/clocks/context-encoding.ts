/**
 * The bytes of a version vector: what clients carry as the opaque context, and what is stored.
 *
 *   1 byte format · varint number of entries · per entry: 12 bytes actor, varint counter, varint seconds
 *   · 4 bytes CRC-32 of all before, big-endian
 *
 * Only one encoding of a vector is read: actors ascending, shortest varints, nothing left over. So equal
 * contexts have equal bytes. The checksum is there because a context comes back from strangers: what was
 * cut, altered or made by another database must be refused, not merged (Basho issue riak#739).
 */
import { Buffer } from 'node:buffer';
import { byteStringOf, crc32, readVarint, varintSize, writeVarint } from '../stdx/index.ts';
import { actorBytes } from './actor.ts';
import type { VersionEntry } from './version-vector.ts';

const format = 0x01;
const checksumBytes = 4;
/** Format, a count of 0, checksum. */
const contextBytesMin = 2 + checksumBytes;
/** An actor, a counter and seconds of one byte each. */
const entryBytesMin = actorBytes + 2;
/** Entries taken from a client. Pruning keeps clocks near 50; a forged context must not cost more than this. */
export const contextEntriesMax = 10_000;

export function contextSize(entries: readonly VersionEntry[]): number {
  let size = 1 + varintSize(entries.length) + checksumBytes;
  for (const { counter, seconds } of entries) size += actorBytes + varintSize(counter) + varintSize(seconds);
  return size;
}

export function contextBytes(entries: readonly VersionEntry[]): Buffer {
  const bytes = Buffer.allocUnsafe(contextSize(entries));
  writeContext(entries, bytes, 0);
  return bytes;
}

export function writeContext(entries: readonly VersionEntry[], bytes: Buffer, offset: number): number {
  bytes[offset] = format;
  let at = writeVarint(bytes, offset + 1, entries.length);
  for (const { actor, counter, seconds } of entries) {
    for (let i = 0; i < actorBytes; i += 1) bytes[at + i] = actor.charCodeAt(i);
    at = writeVarint(bytes, at + actorBytes, counter);
    at = writeVarint(bytes, at, seconds);
  }
  return bytes.writeUInt32BE(crc32(bytes, offset, at), at);
}

/** Whether bytes `start` to `end` are a version vector. Allocates nothing: every read of an object asks. */
export function isContext(bytes: Uint8Array, start: number, end: number): boolean {
  return scan(bytes, start, end, Number.POSITIVE_INFINITY, undefined);
}

/** The entries in bytes `start` to `end`, or undefined if these are not a context or hold too many. */
export function entriesOfContext(
  bytes: Uint8Array,
  start: number,
  end: number,
  entriesMax: number = contextEntriesMax,
): VersionEntry[] | undefined {
  const entries: VersionEntry[] = [];
  return scan(bytes, start, end, entriesMax, entries) ? entries : undefined;
}

/** The same of bytes that `isContext` has found to be one: their checksum is not made again. */
export function entriesOfCheckedContext(
  bytes: Uint8Array,
  start: number,
  end: number,
): VersionEntry[] | undefined {
  const entries: VersionEntry[] = [];
  return scanEntries(bytes, start, end, entries) ? entries : undefined;
}

/** The one reader: checks everything, and gathers the entries if asked. */
function scan(
  bytes: Uint8Array,
  start: number,
  end: number,
  entriesMax: number,
  into: VersionEntry[] | undefined,
): boolean {
  if (end - start < contextBytesMin || bytes[start] !== format) return false;
  const entriesEnd = end - checksumBytes;
  const count = readVarint(bytes, start + 1, entriesEnd);
  if (count < 0 || count > entriesMax || count * entryBytesMin > end - start) return false;
  return checksumHolds(bytes, start, entriesEnd) && scanEntries(bytes, start, end, into);
}

/** Format and checksum are right, and the count is no more than there are bytes for. */
function scanEntries(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: VersionEntry[] | undefined,
): boolean {
  const entriesEnd = end - checksumBytes;
  const count = readVarint(bytes, start + 1, entriesEnd);
  let at = start + 1 + varintSize(count);
  for (let i = 0, previous = -1; i < count; i += 1) {
    const actorAt = at;
    const counter = readVarint(bytes, actorAt + actorBytes, entriesEnd);
    if (counter < 1) return false;
    if (previous >= 0 && !ascends(bytes, previous, actorAt)) return false;
    at = actorAt + actorBytes + varintSize(counter);
    const seconds = readVarint(bytes, at, entriesEnd);
    if (seconds < 0) return false;
    at += varintSize(seconds);
    into?.push({ actor: byteStringOf(bytes, actorAt, actorAt + actorBytes), counter, seconds });
    previous = actorAt;
  }
  return at === entriesEnd;
}

function ascends(bytes: Uint8Array, a: number, b: number): boolean {
  for (let i = 0; i < actorBytes; i += 1) {
    const difference = bytes[b + i]! - bytes[a + i]!;
    if (difference !== 0) return difference > 0;
  }
  return false;
}

function checksumHolds(bytes: Uint8Array, start: number, end: number): boolean {
  const stored =
    bytes[end]! * 0x100_0000 + ((bytes[end + 1]! << 16) | (bytes[end + 2]! << 8) | bytes[end + 3]!);
  return crc32(bytes, start, end) === stored;
}
