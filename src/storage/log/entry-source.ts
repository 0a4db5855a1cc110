/**
 * Where a walk over the index gets its entries: the memtables and the runs, each in key order. A source stands on
 * an entry or is at its end; its key is valid until it moves. All go the same way.
 */
import { Buffer } from 'node:buffer';
import { byteStringOf, type OrderedMapWalker } from '../../stdx/index.ts';
import { StorageError } from '../storage-engine.ts';
import { blockCount, copyKey, entryStart, keyBytesMaxOf, lowerBoundInBlock } from './index-block.ts';
import { codeOfKind, type Location } from './position.ts';
import type { Run } from './run.ts';

export interface EntrySource {
  readonly isAtEnd: boolean;
  readonly key: Buffer;
  /** `key` may be longer than the key. */
  readonly keyBytes: number;
  readonly kind: number;
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
  next(): void;
  /** To the first entry at or after `key` in the walk's direction. */
  seek(key: Buffer): void;
}

export class MemtableSource implements EntrySource {
  readonly #walker: OrderedMapWalker<Location>;
  #place: Location | undefined;
  isAtEnd = false;
  /** Filled anew by each step. */
  key: Buffer = Buffer.alloc(0);
  keyBytes = 0;

  /** Begins at `first`, or at the end from which the walker walks. */
  constructor(walker: OrderedMapWalker<Location>, first?: Buffer) {
    this.#walker = walker;
    this.#settle(first === undefined ? walker.next() : walker.seek(byteStringOf(first)));
  }

  get kind(): number {
    return codeOfKind(this.#place!.kind);
  }

  get segment(): number {
    return this.#place!.segment;
  }

  get offset(): number {
    return this.#place!.offset;
  }

  get length(): number {
    return this.#place!.length;
  }

  next(): void {
    this.#settle(this.#walker.next());
  }

  seek(key: Buffer): void {
    this.#settle(this.#walker.seek(byteStringOf(key)));
  }

  #settle(found: boolean): void {
    this.isAtEnd = !found;
    if (!found) return;
    const name = this.#walker.key;
    this.keyBytes = name.length;
    if (this.key.length < name.length) this.key = Buffer.allocUnsafe(2 * name.length);
    this.key.write(name, 0, 'latin1');
    this.#place = this.#walker.value;
  }
}

/** Told of a block that cannot be read, by its index; the walk goes on behind it. What it throws goes to the caller. */
export type BlockDamaged = (error: StorageError, run: Run, block: number) => void;

export class RunSource implements EntrySource {
  readonly #run: Run;
  readonly #step: 1 | -1;
  readonly #damaged: BlockDamaged;
  #blockIndex: number;
  #block: Buffer | undefined;
  #count = 0;
  #entry = 0;
  isAtEnd = false;
  key: Buffer = Buffer.alloc(0);
  keyBytes = 0;
  kind = 0;
  segment = 0;
  offset = 0;
  length = 0;

  /** Begins at `first`, or at the end of the run from which it walks. */
  constructor(run: Run, isReverse: boolean, damaged: BlockDamaged, first?: Buffer) {
    this.#run = run;
    this.#step = isReverse ? -1 : 1;
    this.#damaged = damaged;
    this.#blockIndex = isReverse ? run.blockCount : -1;
    if (first === undefined) this.#nextBlock();
    else this.seek(first);
  }

  next(): void {
    this.#entry += this.#step;
    if (this.#entry >= 0 && this.#entry < this.#count) this.#load();
    else this.#nextBlock();
  }

  seek(key: Buffer): void {
    this.isAtEnd = false;
    const index = Math.max(0, this.#run.blockOf(key));
    this.#blockIndex = index - this.#step;
    this.#nextBlock();
    if (this.isAtEnd || this.#blockIndex !== index) return;
    this.#entry = lowerBoundInBlock(this.#block!, key);
    const isBehind = this.#step === -1 && !this.#isAtOrBelow(key);
    if (isBehind) this.#entry -= 1;
    if (this.#entry >= 0 && this.#entry < this.#count) this.#load();
    else this.#nextBlock();
  }

  #isAtOrBelow(key: Buffer): boolean {
    if (this.#entry >= this.#count) return false;
    this.#load();
    return this.keyBytes === key.length && this.key.compare(key, 0, key.length, 0, key.length) === 0;
  }

  #nextBlock(): void {
    for (;;) {
      this.#blockIndex += this.#step;
      if (this.#blockIndex < 0 || this.#blockIndex >= this.#run.blockCount) {
        this.isAtEnd = true;
        return;
      }
      try {
        this.#block = this.#run.readBlock(this.#blockIndex);
      } catch (cause) {
        if (!(cause instanceof StorageError)) throw cause;
        this.#damaged(cause, this.#run, this.#blockIndex);
        continue;
      }
      this.#count = blockCount(this.#block);
      const keyBytesMax = keyBytesMaxOf(this.#block);
      if (this.key.length < keyBytesMax) this.key = Buffer.allocUnsafe(2 * keyBytesMax);
      this.#entry = this.#step === 1 ? 0 : this.#count - 1;
      this.#load();
      return;
    }
  }

  #load(): void {
    const block = this.#block!;
    const start = entryStart(block, this.#count, this.#entry);
    this.segment = block.readUInt32LE(start);
    this.offset = block.readUInt32LE(start + 4);
    this.length = block.readUInt32LE(start + 8);
    this.kind = block[start + 12]!;
    this.keyBytes = copyKey(block, this.#count, this.#entry, this.key);
  }
}
