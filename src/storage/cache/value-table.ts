/**
 * Keys and values in one slab of memory, found by a hash of the key: no object for each, so that a garbage collector
 * never looks at them. Fixed in size; entries are added until it is full, and go all at once.
 *
 * The index has sets of a few slots. A slot is the place of an entry in the slab, in units of 8 bytes, plus one, and the
 * key's hash; a place of 0 is free. So a search reads one line of memory of the index, and of the slab only the entry that
 * it wants: with a hundred thousand keys each place in the slab is one that no cache of the processor has. An entry is
 * the lengths of key and value, the room that the value has, and both. Where a set is full the new entry takes the place
 * of the one that came first, so that keys which somebody chose to collide cost no more than a miss.
 *
 * The index of a long table takes milliseconds to empty. So it is emptied in parts, each when it is next used.
 */
import { Buffer } from 'node:buffer';
import { assert } from '../../stdx/index.ts';
import { hashOfKey } from '../key-hash.ts';
import type { KeyRange } from '../storage-engine.ts';

const unitBytes = 8;
const slotsOfSet = 4;
/** One slot for so many bytes: with entries of 128 bytes and more, hardly a set is ever full. */
const bytesOfSlot = 32;
/** Of an entry: three lengths. */
const headBytes = 12;
/** Of a slot: place and hash. */
const slotWords = 2;
const setWords = slotsOfSet * slotWords;
/** 32 KiB: emptied in a microsecond or two. */
const setsOfPartLog2 = 10;
const setsOfPart = 2 ** setsOfPartLog2;

/** Looked at in a step of a range delete: some 100 µs. */
const entriesOfStep = 4096;

export const tableBytesMin = 4096;

export class ValueTable {
  readonly #slab: Buffer;
  readonly #words: Int32Array;
  readonly #index: Int32Array;
  readonly #setMask: number;
  /** Of each part of the index the generation that its entries are of. */
  readonly #generations: Uint32Array;
  #generation = 0;
  /** In units: where the next entry begins. */
  #used = 0;

  /** `byteSize`: of the slab; a power of two. */
  constructor(byteSize: number) {
    assert(byteSize >= tableBytesMin && Number.isInteger(Math.log2(byteSize)), 'a power of two');
    this.#slab = Buffer.allocUnsafeSlow(byteSize);
    this.#words = new Int32Array(this.#slab.buffer, this.#slab.byteOffset, byteSize / 4);
    this.#index = new Int32Array((byteSize / bytesOfSlot) * slotWords);
    this.#setMask = byteSize / bytesOfSlot / slotsOfSet - 1;
    this.#generations = new Uint32Array(Math.ceil((this.#setMask + 1) / setsOfPart));
  }

  /** A copy of the key's value. */
  get(hash: number, key: Buffer): Buffer | undefined {
    const slot = this.#find(hash, key);
    if (slot < 0) return undefined;
    const word = this.#wordOf(slot);
    const start = word * 4 + headBytes + key.length;
    const value = Buffer.allocUnsafe(this.#words[word + 1]!);
    this.#slab.copy(value, 0, start, start + value.length);
    return value;
  }

  /** False: there is no room left. */
  set(hash: number, key: Buffer, value: Buffer): boolean {
    const known = this.#find(hash, key);
    if (known >= 0) {
      const word = this.#wordOf(known);
      if (value.length <= this.#words[word + 2]!) {
        this.#words[word + 1] = value.length;
        value.copy(this.#slab, word * 4 + headBytes + key.length);
        return true;
      }
      this.#index[known] = 0;
    }
    const units = unitsOf(key.length + value.length);
    if ((this.#used + units) * unitBytes > this.#slab.length) return false;
    this.#write(hash, key, value, units);
    return true;
  }

  has(hash: number, key: Buffer): boolean {
    return this.#find(hash, key) >= 0;
  }

  delete(hash: number, key: Buffer): void {
    const slot = this.#find(hash, key);
    if (slot >= 0) this.#index[slot] = 0;
  }

  /** Forgets the keys of the range, step by step. What is added between two steps is not looked for: it must not be of it. */
  *deleteRange(range: KeyRange): Generator<void> {
    const generation = this.#generation;
    const end = this.#used;
    let place = 0;
    for (let seen = 1; place < end && this.#generation === generation; seen += 1) {
      const word = place * 2;
      const keyBytes = this.#words[word]!;
      const start = word * 4 + headBytes;
      if (this.#isWithin(range, start, start + keyBytes)) {
        const key = this.#slab.subarray(start, start + keyBytes);
        this.delete(hashOfKey(key), key);
      }
      place += unitsOf(keyBytes + this.#words[word + 2]!);
      if (seen % entriesOfStep === 0) yield;
    }
  }

  clear(): void {
    this.#generation += 1;
    this.#used = 0;
  }

  #write(hash: number, key: Buffer, value: Buffer, units: number): void {
    const word = this.#used * 2;
    const start = word * 4 + headBytes;
    this.#words[word] = key.length;
    this.#words[word + 1] = value.length;
    this.#words[word + 2] = units * unitBytes - headBytes - key.length;
    key.copy(this.#slab, start);
    value.copy(this.#slab, start + key.length);
    const slot = this.#place(hash);
    this.#index[slot] = this.#used + 1;
    this.#index[slot + 1] = hash;
    this.#used += units;
  }

  /** The slot for a new entry: a free one, or else that of the oldest. */
  #place(hash: number): number {
    const set = this.#setOf(hash);
    let oldest = set;
    for (let slot = set; slot < set + setWords; slot += slotWords) {
      if (this.#index[slot]! < this.#index[oldest]!) oldest = slot;
    }
    return oldest;
  }

  /** -1: the key is not here. */
  #find(hash: number, key: Buffer): number {
    const index = this.#index;
    const set = this.#setOf(hash);
    for (let slot = set; slot < set + setWords; slot += slotWords) {
      if (index[slot + 1] === hash && index[slot] !== 0 && this.#isAt(this.#wordOf(slot), key)) return slot;
    }
    return -1;
  }

  /** Where the slots of the hash begin. */
  #setOf(hash: number): number {
    const set = hash & this.#setMask;
    const part = set >>> setsOfPartLog2;
    if (this.#generations[part] !== this.#generation) this.#empty(part);
    return set * setWords;
  }

  #empty(part: number): void {
    const start = part * setsOfPart * setWords;
    this.#index.fill(0, start, start + setsOfPart * setWords);
    this.#generations[part] = this.#generation;
  }

  #wordOf(slot: number): number {
    return (this.#index[slot]! - 1) * 2;
  }

  #isAt(word: number, key: Buffer): boolean {
    if (this.#words[word] !== key.length) return false;
    const start = word * 4 + headBytes;
    for (let i = 0; i < key.length; i += 1) if (this.#slab[start + i] !== key[i]) return false;
    return true;
  }

  #isWithin({ from, to }: KeyRange, start: number, end: number): boolean {
    if (from !== undefined && this.#isBelow(start, end, from)) return false;
    return to === undefined || this.#isBelow(start, end, to);
  }

  /** Whether the key from `start` to `end` comes before `bound`. Most differ from it early: that is found faster than a call is made. */
  #isBelow(start: number, end: number, bound: Buffer): boolean {
    const shared = Math.min(end - start, bound.length);
    for (let i = 0; i < shared; i += 1) {
      const byte = this.#slab[start + i]!;
      if (byte !== bound[i]) return byte < bound[i]!;
    }
    return end - start < bound.length;
  }
}

function unitsOf(contentBytes: number): number {
  return Math.ceil((headBytes + contentBytes) / unitBytes);
}
