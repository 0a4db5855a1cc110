/**
 * An index run that is open for reading. In memory are its fences and its Bloom filter, some three bytes a key
 * in array buffers; blocks are read from the file and checked, or come from the cache.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { type Disk, DiskError, type DiskFile } from '../../environment/index.ts';
import { type KeyRange, StorageError } from '../storage-engine.ts';
import type { BlockCache, CachedBlocks } from './block-cache.ts';
import { BloomFilter } from './bloom-filter.ts';
import { entryStart, isBlockSound, searchBlock } from './index-block.ts';
import { isBefore, kindOfCode, type Location, type Position } from './position.ts';
import { FENCE_BYTES, RUN_MAGIC, RUN_TAIL_BYTES } from './run-writer.ts';
import { runPath } from './segment-header.ts';

interface Fences {
  readonly separators: Buffer;
  readonly separatorEnds: Uint32Array;
  /** Where block `i` begins; one more for the end of the last. */
  readonly blockStarts: Float64Array;
  /** Bytes in the log of the blocks before block `i`. */
  readonly logBytes: Float64Array;
}

export class Run {
  readonly number: number;
  readonly entries: number;
  readonly bloom: BloomFilter;
  #purgedTo: Position;
  readonly #file: DiskFile;
  readonly #fences: Fences;
  readonly #cache: BlockCache;
  readonly #cached: CachedBlocks = [];
  #readers = 0;
  #isRetired = false;

  private constructor(
    file: DiskFile,
    number: number,
    purgedTo: Position,
    cache: BlockCache,
    parts: { readonly entries: number; readonly fences: Fences; readonly bloom: BloomFilter },
  ) {
    this.#file = file;
    this.number = number;
    this.#purgedTo = purgedTo;
    this.#cache = cache;
    this.entries = parts.entries;
    this.bloom = parts.bloom;
    this.#fences = parts.fences;
  }

  /** Rejects with `StorageError` 'corrupt' if the file is not a whole run, with `DiskError` if it cannot be read. */
  static async open(
    disk: Disk,
    directory: string,
    number: number,
    purgedTo: Position,
    cache: BlockCache,
  ): Promise<Run> {
    const path = runPath(directory, number);
    const file = await disk.open(path, { create: false });
    try {
      return new Run(file, number, purgedTo, cache, readEnds(file));
    } catch (cause) {
      await file.close();
      throw cause;
    }
  }

  /** Range deletions up to here were applied when it was written: it has nothing left that they hide. */
  get purgedTo(): Position {
    return this.#purgedTo;
  }

  /** Of a range deletion that took effect at `position` nobody knew when it was written. */
  missed(position: Position): void {
    if (isBefore(position, this.#purgedTo)) this.#purgedTo = position;
  }

  /** Reads the blocks that may hold keys of a range. Throws as `readBlock` does. */
  check({ from, to }: KeyRange): void {
    const first = from === undefined ? 0 : Math.max(0, this.blockOf(from));
    const last = to === undefined ? this.blockCount - 1 : this.blockOf(to);
    for (let index = first; index <= last; index += 1) this.readBlock(index);
  }

  get path(): string {
    return this.#file.path;
  }

  get blockCount(): number {
    return this.#fences.separatorEnds.length;
  }

  /** Bytes of memory that it takes while it is open. */
  get memoryBytes(): number {
    const { separators, separatorEnds, blockStarts, logBytes } = this.#fences;
    const arrays = separatorEnds.byteLength + blockStarts.byteLength + logBytes.byteLength;
    return this.bloom.bytes.length + separators.length + arrays;
  }

  /** `hash` is that of the key. Throws `StorageError`. */
  find(key: Buffer, hash: number): Location | undefined {
    if (!this.bloom.mayHave(hash)) return undefined;
    const index = this.blockOf(key);
    if (index < 0) return undefined;
    const block = this.#blockFor(index);
    const entry = searchBlock(block, key);
    if (entry < 0) return undefined;
    const start = entryStart(block, block.readUInt16LE(8), entry);
    return {
      kind: kindOfCode(block[start + 12]!) ?? 'lost',
      segment: block.readUInt32LE(start),
      offset: block.readUInt32LE(start + 4),
      length: block.readUInt32LE(start + 8),
    };
  }

  /** The block that would hold `key`; -1 if the key is below all. */
  blockOf(key: Uint8Array): number {
    const { separators, separatorEnds } = this.#fences;
    const keyBytes = key.length;
    let low = 0;
    let high = separatorEnds.length;
    // What the bounds share with the key, all between them do.
    let lowShared = 0;
    let highShared = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const start = middle === 0 ? 0 : separatorEnds[middle - 1]!;
      const length = separatorEnds[middle]! - start;
      const most = Math.min(length, keyBytes);
      let at = Math.min(lowShared, highShared);
      while (at < most && separators[start + at] === key[at]) at += 1;
      if (at === length || (at < keyBytes && separators[start + at]! < key[at]!)) {
        low = middle + 1;
        lowShared = at;
      } else {
        high = middle;
        highShared = at;
      }
    }
    return low - 1;
  }

  #blockFor(index: number): Buffer {
    const cached = this.#cached[index];
    if (cached !== undefined) {
      cached.wasUsed = true;
      return cached.bytes;
    }
    const block = this.readBlock(index);
    this.#cache.add(this.#cached, index, block);
    return block;
  }

  /** From the file. Throws `StorageError` 'corrupt' if it has rotted, 'io' if the device refuses. */
  readBlock(index: number): Buffer {
    const { blockStarts } = this.#fences;
    const start = blockStarts[index]!;
    let block: Buffer;
    try {
      block = this.#file.read(start, blockStarts[index + 1]! - start);
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause;
      throw new StorageError('io', `reading the index: ${cause.message}`, { cause });
    }
    if (isBlockSound(block, start)) return block;
    throw new StorageError('corrupt', `the block at ${start} of the index ${this.path} is damaged`);
  }

  /** The keys that a block may hold: from the first to, not including, the second, which the last has not. */
  spanOf(index: number): { readonly from: Buffer; readonly to: Buffer | undefined } {
    const { separators, separatorEnds } = this.#fences;
    const from = index === 0 ? 0 : separatorEnds[index - 1]!;
    const end = separatorEnds[index]!;
    const to =
      index + 1 < separatorEnds.length ? separators.subarray(end, separatorEnds[index + 1]!) : undefined;
    return { from: separators.subarray(from, end), to };
  }

  /** Bytes in the log of what lies in the blocks that a range touches, the outermost by half. */
  logBytesIn(from: Buffer | undefined, to: Buffer | undefined): number {
    const { logBytes } = this.#fences;
    const { blockCount } = this;
    if (blockCount === 0) return 0;
    return Math.max(0, this.#bytesBelow(to, logBytes[blockCount]!) - this.#bytesBelow(from, 0));
  }

  retain(): void {
    this.#readers += 1;
  }

  async release(): Promise<void> {
    this.#readers -= 1;
    if (this.#isRetired && this.#readers === 0) await this.#file.close();
  }

  /** Closes the file as soon as nobody reads from it. */
  async retire(): Promise<void> {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#cache.drop(this.#cached);
    if (this.#readers === 0) await this.#file.close();
  }

  #bytesBelow(key: Buffer | undefined, unbounded: number): number {
    if (key === undefined) return unbounded;
    const { logBytes } = this.#fences;
    const block = this.blockOf(key);
    if (block < 0) return 0;
    const { from, to } = this.spanOf(block);
    if (key.equals(from)) return logBytes[block]!;
    // Behind the last separator the end is not known: what is far behind takes the block whole.
    if (to === undefined && !key.subarray(0, from.length).equals(from)) return logBytes[block + 1]!;
    return (logBytes[block]! + logBytes[block + 1]!) / 2;
  }
}

function readEnds(file: DiskFile): { entries: number; fences: Fences; bloom: BloomFilter } {
  const damaged = new StorageError('corrupt', `the index ${file.path} is damaged`);
  if (file.size < RUN_TAIL_BYTES) throw damaged;
  const tail = file.read(file.size - RUN_TAIL_BYTES, RUN_TAIL_BYTES);
  const isSound =
    tail.subarray(0, RUN_MAGIC.length).equals(RUN_MAGIC) &&
    crc32(tail.subarray(0, RUN_TAIL_BYTES - 4)) === tail.readUInt32LE(RUN_TAIL_BYTES - 4);
  if (!isSound) throw damaged;
  const fencesOffset = tail.readDoubleLE(8);
  const fencesBytes = tail.readUInt32LE(16);
  const bloomBytes = tail.readUInt32LE(24);
  const fences = file.read(fencesOffset, fencesBytes);
  const bloom = file.read(fencesOffset + fencesBytes, bloomBytes);
  if (crc32(fences) !== tail.readUInt32LE(20) || crc32(bloom) !== tail.readUInt32LE(28)) throw damaged;
  return {
    entries: tail.readDoubleLE(36),
    fences: decodeFences(fences, tail.readUInt32LE(32)),
    bloom: new BloomFilter(bloom),
  };
}

function decodeFences(bytes: Buffer, count: number): Fences {
  const separators = Buffer.alloc(bytes.length - count * FENCE_BYTES);
  const separatorEnds = new Uint32Array(count);
  const blockStarts = new Float64Array(count + 1);
  const logBytes = new Float64Array(count + 1);
  let at = 0;
  let end = 0;
  for (let i = 0; i < count; i++) {
    const length = bytes.readUInt32LE(at);
    blockStarts[i + 1] = blockStarts[i]! + bytes.readUInt32LE(at + 4);
    logBytes[i + 1] = logBytes[i]! + bytes.readDoubleLE(at + 8);
    bytes.copy(separators, end, at + FENCE_BYTES, at + FENCE_BYTES + length);
    end += length;
    separatorEnds[i] = end;
    at += FENCE_BYTES + length;
  }
  return { separators, separatorEnds, blockStarts, logBytes };
}
