/**
 * The values that were used last, in two tables of the same size. New ones go to the young table; when it is full it
 * becomes the old one, and what the old one still had is forgotten. Who is asked for meanwhile is copied from the old to
 * the young: so what is used stays, without a list to keep in order.
 */
import type { Buffer } from 'node:buffer';
import { hashOfKey } from '../key-hash.ts';
import type { KeyRange } from '../storage-engine.ts';
import { tableBytesMin, ValueTable } from './value-table.ts';

/** The smallest cache; what is asked for is rounded down to a power of two. */
export const cacheBytesMin = 2 * tableBytesMin;
/** A longer value would push out too many others. */
const valueShareMax = 1 / 64;
const valueBytesMax = 256 * 1024;

export class ValueCache {
  readonly #entryBytesMax: number;
  readonly #tableBytes: number;
  #young: ValueTable | undefined;
  #old: ValueTable | undefined;

  constructor(byteSize: number) {
    this.#tableBytes = 2 ** Math.floor(Math.log2(byteSize / 2));
    this.#entryBytesMax = Math.min(valueBytesMax, this.#tableBytes * valueShareMax);
  }

  /** A copy of the value. */
  get(key: Buffer): Buffer | undefined {
    if (this.#young === undefined) return undefined;
    const hash = hashOfKey(key);
    const value = this.#young.get(hash, key);
    if (value !== undefined) return value;
    const older = this.#old?.get(hash, key);
    if (older !== undefined) this.#add(hash, key, older);
    return older;
  }

  set(key: Buffer, value: Buffer): void {
    if (key.length + value.length > this.#entryBytesMax) this.delete(key);
    else this.#add(hashOfKey(key), key, value);
  }

  /** Sets the key's value if there is one. */
  update(key: Buffer, value: Buffer): void {
    if (this.#young === undefined) return;
    const hash = hashOfKey(key);
    if (this.#young.has(hash, key) || this.#old?.has(hash, key) === true) this.set(key, value);
  }

  delete(key: Buffer): void {
    if (this.#young === undefined) return;
    const hash = hashOfKey(key);
    this.#young.delete(hash, key);
    this.#old?.delete(hash, key);
  }

  /** Forgets the keys of the range, step by step. Until the last one is done none of them may be read or set. */
  *deleteRange(range: KeyRange): Generator<void> {
    for (const table of [this.#old, this.#young]) if (table !== undefined) yield* table.deleteRange(range);
  }

  clear(): void {
    this.#young?.clear();
    this.#old?.clear();
  }

  /** A key is in one table: the young one may lose it to another key, and what the old one has would be out of date. */
  #add(hash: number, key: Buffer, value: Buffer): void {
    this.#old?.delete(hash, key);
    this.#young ??= new ValueTable(this.#tableBytes);
    if (this.#young.set(hash, key, value)) return;
    const emptied = this.#old ?? new ValueTable(this.#tableBytes);
    emptied.clear();
    this.#old = this.#young;
    this.#young = emptied;
    emptied.set(hash, key, value);
  }
}
