/**
 * Writes an index run: a file of keys in order with the places of their records, made once and never changed.
 *
 * file     blocks | fences | bloom filter | tail
 * fence    separator bytes u32 | block bytes u32 | log bytes f64 | separator
 * tail     "HALERUN1" | fences offset f64 | fences bytes u32 | crc u32 | bloom bytes u32 | crc u32 |
 *          blocks u32 | entries f64 | 0 u32 | crc u32
 *
 * A separator is the shortest string that is above the block before and not above its own first key. `log bytes`
 * counts the records that the block's entries point to: what a range takes in the log is found from fences alone.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { Disk, DiskFile } from '../../environment/index.ts';
import { BloomFilter, hashOfKey } from './bloom-filter.ts';
import { BlockBuilder } from './index-block.ts';
import { sharedPrefix } from './key-order.ts';
import { RUN_CHUNK_BYTES } from './log-limits.ts';
import { RECORD_HEAD_BYTES } from './log-record.ts';
import { runPath } from './segment-header.ts';

export const RUN_TAIL_BYTES = 56;
export const RUN_MAGIC = Buffer.from('HALERUN1', 'latin1');
export const FENCE_BYTES = 16;

export class RunWriter {
  readonly #file: DiskFile;
  readonly #bloom: BloomFilter;
  readonly #block = new BlockBuilder();
  readonly #fences: Buffer[] = [];
  readonly #pieces: Buffer[] = [];
  #isClosed = false;
  #pieceBytes = 0;
  #written = 0;
  #entries = 0;
  #blockLogBytes = 0;
  #separator: Buffer = Buffer.alloc(0);
  #lastKey: Buffer | undefined;

  private constructor(file: DiskFile, entriesMax: number) {
    this.#file = file;
    this.#bloom = BloomFilter.forKeys(entriesMax);
  }

  /** `entriesMax` sizes the Bloom filter. Rejects with `DiskError`. */
  static async create(disk: Disk, directory: string, number: number, entriesMax: number): Promise<RunWriter> {
    const file = await disk.open(runPath(directory, number), { create: true });
    if (file.size > 0) await file.truncate(0);
    return new RunWriter(file, entriesMax);
  }

  get entries(): number {
    return this.#entries;
  }

  /** Keys come in order, each once. After a piece is full, `flush` has to be awaited before the next `add`. */
  add(
    key: Uint8Array,
    keyBytes: number,
    kind: number,
    segment: number,
    offset: number,
    length: number,
  ): void {
    const block = this.#block;
    if (block.count === 0) this.#separator = this.#separatorOf(key, keyBytes);
    block.add(key, keyBytes, kind, segment, offset, length);
    this.#bloom.add(hashOfKey(key, keyBytes));
    this.#entries += 1;
    this.#blockLogBytes += RECORD_HEAD_BYTES + keyBytes + length;
    if (block.isFull) this.#endBlock();
  }

  get wantsFlush(): boolean {
    return this.#pieceBytes >= RUN_CHUNK_BYTES;
  }

  async flush(): Promise<void> {
    if (this.#pieceBytes === 0) return;
    const bytes = Buffer.concat(this.#pieces, this.#pieceBytes);
    this.#pieces.length = 0;
    this.#pieceBytes = 0;
    await this.#file.write(this.#written, bytes);
    this.#written += bytes.length;
  }

  /** Makes the run durable, but for its name. The file is closed. */
  async finish(): Promise<void> {
    if (this.#block.count > 0) this.#endBlock();
    const fencesOffset = this.#written + this.#pieceBytes;
    const fences = Buffer.concat(this.#fences);
    const bloom = Buffer.from(this.#bloom.bytes);
    this.#push(fences);
    this.#push(bloom);
    const tail = Buffer.alloc(RUN_TAIL_BYTES);
    RUN_MAGIC.copy(tail, 0);
    tail.writeDoubleLE(fencesOffset, 8);
    tail.writeUInt32LE(fences.length, 16);
    tail.writeUInt32LE(crc32(fences), 20);
    tail.writeUInt32LE(bloom.length, 24);
    tail.writeUInt32LE(crc32(bloom), 28);
    tail.writeUInt32LE(this.#fences.length, 32);
    tail.writeDoubleLE(this.#entries, 36);
    tail.writeUInt32LE(crc32(tail.subarray(0, RUN_TAIL_BYTES - 4)), RUN_TAIL_BYTES - 4);
    this.#push(tail);
    await this.flush();
    await this.#file.sync();
    await this.#close();
  }

  /** Closes the file, wherever work on it came to an end. */
  async abandon(): Promise<void> {
    await this.#close();
  }

  async #close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#file.close();
  }

  #endBlock(): void {
    const bytes = this.#block.encode(this.#written + this.#pieceBytes);
    const fence = Buffer.allocUnsafe(FENCE_BYTES + this.#separator.length);
    fence.writeUInt32LE(this.#separator.length, 0);
    fence.writeUInt32LE(bytes.length, 4);
    fence.writeDoubleLE(this.#blockLogBytes, 8);
    this.#separator.copy(fence, FENCE_BYTES);
    this.#fences.push(fence);
    this.#lastKey = this.#block.lastKey();
    this.#block.clear();
    this.#blockLogBytes = 0;
    this.#push(bytes);
  }

  #push(bytes: Buffer): void {
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
  }

  #separatorOf(key: Uint8Array, keyBytes: number): Buffer {
    const last = this.#lastKey;
    if (last === undefined) return Buffer.from(key.subarray(0, keyBytes));
    const shared = sharedPrefix(key, 0, keyBytes, last, 0, last.length);
    return Buffer.from(key.subarray(0, Math.min(keyBytes, shared + 1)));
  }
}
