/**
 * The simulator's only randomness: sfc32 (Chris Doty-Humphrey's PractRand), 128 bits of state, which
 * passes the usual batteries and costs a few nanoseconds. Not for secrets.
 *
 * `fork` gives a stream of its own per purpose, so that a new draw in one place does not shift what
 * all others get, and a failing seed stays alike while the code around it changes.
 */
import { Buffer } from 'node:buffer';
import type { Random } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';

const warmUpRounds = 15;

export class Prng implements Random {
  readonly #key: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, purpose = '') {
    this.#key = hashText(purpose, seed >>> 0);
    this.#a = seed | 0;
    this.#b = this.#key | 0;
    this.#c = Math.floor(seed / 2 ** 32) | 0;
    for (let i = 0; i < warmUpRounds; i++) this.u32();
  }

  /** Depends on the seed and the purposes up to here, not on what was drawn before. */
  fork(purpose: string): Prng {
    return new Prng(this.#key, purpose);
  }

  u32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  fraction(): number {
    return ((this.u32() >>> 5) * 2 ** 26 + (this.u32() >>> 6)) / 2 ** 53;
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.allocUnsafe(count);
    let at = 0;
    for (; at + 4 <= count; at += 4) bytes.writeUInt32LE(this.u32(), at);
    for (; at < count; at++) bytes[at] = this.u32() & 0xff;
    return bytes;
  }

  /** A whole number in `0 .. bound-1`. */
  below(bound: number): number {
    assert(bound > 0, 'there is something to choose from');
    return Math.floor(this.fraction() * bound);
  }

  between(low: number, high: number): number {
    return low + this.fraction() * (high - low);
  }

  /** Exponentially distributed: waiting times, latencies. */
  exponential(mean: number): number {
    return -Math.log(1 - this.fraction()) * mean;
  }

  /**
   * A number of any size from 10^`low` to 10^`high`, each power of ten as likely. Without `**`, of
   * which the last bits differ between versions of V8 and would part the histories of one seed.
   */
  magnitude(low: number, high: number): number {
    return Number(`1e${low + this.below(high - low)}`) * this.between(1, 10);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }
}

/** FNV-1a over UTF-16 units, finished with a multiply so that close seeds part. */
function hashText(text: string, start: number): number {
  let hash = (start ^ 0x811c9dc5) | 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
