/**
 * Where a key was written last in a batch: a read-modify-write asks for every key. A table of numbers, since a `Map` of
 * strings costs several times as much: V8 makes each string that it is asked for one of its own table of names.
 *
 * A row is the key's hash and its place in the batch plus one; 0 is free. A key that finds no row within `probesMax` steps
 * goes to a `Map`: keys that somebody chose to collide cost what they would cost there.
 */
import type { Buffer } from 'node:buffer';
import { type ByteString, byteStringOf } from '../stdx/index.ts';
import { hashOfKey } from './key-hash.ts';

const rowsMin = 64;
const probesMax = 16;
/** A table of so many rows is kept for the next batch; a larger one is made anew. */
const rowsKeptMax = 4096;

export class BatchIndex {
  #keys: readonly Buffer[] = [];
  #rows = new Int32Array(2 * rowsMin);
  #count = 0;
  #crowded: Map<ByteString, number> | undefined;

  /** Forgets what there was; from now on `keys` is the batch's. */
  reset(keys: readonly Buffer[]): void {
    this.#keys = keys;
    this.#crowded = undefined;
    if (this.#count === 0) return;
    this.#count = 0;
    if (this.#rows.length > 2 * rowsKeptMax) this.#rows = new Int32Array(2 * rowsMin);
    else this.#rows.fill(0);
  }

  /** The key at `place` of the batch is written there last. */
  add(place: number): void {
    if (2 * (this.#count + 1) > this.#rows.length / 2) this.#grow();
    this.#insert(hashOfKey(this.#keys[place]!), place);
  }

  /** -1: the batch does not write the key. `hash`: that of the key, from who looks into several. */
  find(key: Buffer, hash: number = hashOfKey(key)): number {
    if (this.#count === 0 && this.#crowded === undefined) return -1;
    const row = this.#rowOf(hash, key);
    if (row >= 0) return this.#rows[row + 1]! - 1;
    return row === noRow && this.#crowded !== undefined ? (this.#crowded.get(byteStringOf(key)) ?? -1) : -1;
  }

  #insert(hash: number, place: number): void {
    const key = this.#keys[place]!;
    const row = this.#rowOf(hash, key);
    if (row === noRow) {
      this.#crowded ??= new Map();
      this.#crowded.set(byteStringOf(key), place);
      return;
    }
    const at = row >= 0 ? row : -row - freeBase;
    if (row < 0) this.#count += 1;
    this.#rows[at] = hash;
    this.#rows[at + 1] = place + 1;
  }

  /** The key's row; or that of the free row where it would be, as `-(row + freeBase)`; or `noRow`. */
  #rowOf(hash: number, key: Buffer): number {
    const rows = this.#rows;
    const mask = rows.length - 1;
    let row = (hash * 2) & mask;
    for (let probe = 0; probe < probesMax; probe += 1) {
      const place = rows[row + 1]!;
      if (place === 0) return -(row + freeBase);
      if (rows[row] === hash && isSame(this.#keys[place - 1]!, key)) return row;
      row = (row + 2) & mask;
    }
    return noRow;
  }

  #grow(): void {
    const old = this.#rows;
    this.#rows = new Int32Array(2 * old.length);
    this.#count = 0;
    for (let row = 0; row < old.length; row += 2) {
      if (old[row + 1] !== 0) this.#insert(old[row]!, old[row + 1]! - 1);
    }
    // A larger table may have room near their hashes, and then that is where they are looked for.
    const crowded = this.#crowded?.values() ?? [];
    this.#crowded = undefined;
    for (const place of crowded) this.#insert(hashOfKey(this.#keys[place]!), place);
  }
}

const noRow = -1;
const freeBase = 2;

function isSame(a: Buffer, b: Buffer): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}
