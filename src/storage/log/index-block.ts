/**
 * A block of an index run: some fifty keys in order, each with the place of its record.
 *
 * block    crc u32 | prefix bytes u32 | entries u16 | start of each entry u16 | prefix | entries
 * entry    segment u32 | offset u32 | value bytes u32 | kind u8 | rest of the key
 *
 * The prefix is what all keys of the block begin with. Starts count from the first entry. The checksum starts
 * from the block's offset in its file.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { sharedPrefix } from './key-order.ts';
import { BLOCK_BYTES } from './log-limits.ts';

const COUNT_AT = 8;
const HEAD_BYTES = 10;
export const ENTRY_BYTES = 13;

/** Gathers the entries of one block. Reused from block to block. */
export class BlockBuilder {
  #keys = Buffer.allocUnsafe(2 * BLOCK_BYTES);
  #keyEnd = 0;
  readonly #keyEnds: number[] = [];
  readonly #places: number[] = [];

  get count(): number {
    return this.#keyEnds.length;
  }

  get isFull(): boolean {
    return this.#keyEnd + this.count * ENTRY_BYTES >= BLOCK_BYTES;
  }

  add(
    key: Uint8Array,
    keyBytes: number,
    kind: number,
    segment: number,
    offset: number,
    length: number,
  ): void {
    const end = this.#keyEnd + keyBytes;
    if (end > this.#keys.length) this.#grow(end);
    for (let i = 0; i < keyBytes; i++) this.#keys[this.#keyEnd + i] = key[i]!;
    this.#keyEnd = end;
    this.#keyEnds.push(end);
    this.#places.push(segment, offset, length, kind);
  }

  /** The encoded block, to stand at `fileOffset`; a copy. */
  encode(fileOffset: number): Buffer {
    const { count } = this;
    const keys = this.#keys;
    const lastStart = count === 1 ? 0 : this.#keyEnds[count - 2]!;
    const prefix = sharedPrefix(keys, 0, this.#keyEnds[0]!, keys, lastStart, this.#keyEnd);
    const entriesStart = HEAD_BYTES + 2 * count + prefix;
    const block = Buffer.allocUnsafe(entriesStart + count * ENTRY_BYTES + this.#keyEnd - count * prefix);
    block.writeUInt32LE(prefix, 4);
    block.writeUInt16LE(count, 8);
    keys.copy(block, HEAD_BYTES + 2 * count, 0, prefix);
    let at = entriesStart;
    let keyStart = 0;
    for (let i = 0; i < count; i++) {
      block.writeUInt16LE(at - entriesStart, HEAD_BYTES + 2 * i);
      block.writeUInt32LE(this.#places[4 * i]!, at);
      block.writeUInt32LE(this.#places[4 * i + 1]!, at + 4);
      block.writeUInt32LE(this.#places[4 * i + 2]!, at + 8);
      block[at + 12] = this.#places[4 * i + 3]!;
      const keyEnd = this.#keyEnds[i]!;
      at += ENTRY_BYTES;
      for (let from = keyStart + prefix; from < keyEnd; from++) block[at++] = keys[from]!;
      keyStart = keyEnd;
    }
    block.writeUInt32LE(crcOf(block, fileOffset), 0);
    return block;
  }

  /** Of the entries so far. */
  lastKey(): Buffer {
    const start = this.count === 1 ? 0 : this.#keyEnds[this.count - 2]!;
    return Buffer.from(this.#keys.subarray(start, this.#keyEnd));
  }

  clear(): void {
    this.#keyEnd = 0;
    this.#keyEnds.length = 0;
    this.#places.length = 0;
  }

  #grow(bytes: number): void {
    const grown = Buffer.allocUnsafe(2 * bytes);
    this.#keys.copy(grown, 0, 0, this.#keyEnd);
    this.#keys = grown;
  }
}

/** Whether the bytes are the block that was written at `fileOffset`. */
export function isBlockSound(block: Buffer, fileOffset: number): boolean {
  return block.length > HEAD_BYTES && block.readUInt32LE(0) === crcOf(block, fileOffset);
}

export function blockCount(block: Buffer): number {
  return block.readUInt16LE(8);
}

/** Where the entry begins. */
export function entryStart(block: Buffer, count: number, index: number): number {
  const prefix = block.readUInt32LE(4);
  return HEAD_BYTES + 2 * count + prefix + block.readUInt16LE(HEAD_BYTES + 2 * index);
}

function entryEnd(block: Buffer, count: number, index: number): number {
  return index + 1 < count ? entryStart(block, count, index + 1) : block.length;
}

/** The index of the first entry whose key is at or above `key`; the count if there is none. */
export function lowerBoundInBlock(block: Buffer, key: Uint8Array): number {
  const found = searchBlock(block, key);
  return found < 0 ? ~found : found;
}

/**
 * The index of the entry with this very key; else the complement (`~`) of the index of the first entry above it. What the
 * bounds share with the key, all between them do: comparing begins behind that.
 */
export function searchBlock(block: Buffer, key: Uint8Array): number {
  const count = uint16At(block, COUNT_AT);
  const prefix = block.readUInt32LE(4);
  const prefixStart = HEAD_BYTES + 2 * count;
  const entriesStart = prefixStart + prefix;
  const keyBytes = key.length;
  const shared = Math.min(prefix, keyBytes);
  for (let i = 0; i < shared; i++) {
    const difference = key[i]! - block[prefixStart + i]!;
    if (difference !== 0) return difference < 0 ? ~0 : ~count;
  }
  if (keyBytes < prefix) return ~0;
  let low = 0;
  let high = count;
  let lowShared = prefix;
  let highShared = prefix;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const slot = HEAD_BYTES + 2 * middle;
    // Counts from the start of the key, as `at` does.
    const start = entriesStart + uint16At(block, slot) + ENTRY_BYTES - prefix;
    const end = middle + 1 < count ? entriesStart + uint16At(block, slot + 2) : block.length;
    const length = end - start;
    const most = Math.min(length, keyBytes);
    let at = Math.min(lowShared, highShared);
    while (at < most && block[start + at] === key[at]) at += 1;
    if (at === keyBytes && at === length) return middle;
    if (at < keyBytes && (at === length || block[start + at]! < key[at]!)) {
      low = middle + 1;
      lowShared = at;
    } else {
      high = middle;
      highShared = at;
    }
  }
  return ~low;
}

function uint16At(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

/** Writes an entry's key into `target`, which must be long enough; returns its length. */
export function copyKey(block: Buffer, count: number, index: number, target: Buffer): number {
  const prefix = block.readUInt32LE(4);
  const prefixStart = HEAD_BYTES + 2 * count;
  const start = entryStart(block, count, index) + ENTRY_BYTES;
  const end = entryEnd(block, count, index);
  for (let i = 0; i < prefix; i++) target[i] = block[prefixStart + i]!;
  for (let from = start, at = prefix; from < end; from++) target[at++] = block[from]!;
  return prefix + end - start;
}

/** An upper bound of the length of the block's keys. */
export function keyBytesMaxOf(block: Buffer): number {
  return block.length;
}

function crcOf(block: Buffer, fileOffset: number): number {
  return crc32(block.subarray(4), fileOffset >>> 0);
}
