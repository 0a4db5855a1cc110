/**
 * 64-bit hashes as two words of 32 bits, for trees that hash a million entries a second: a `bigint` for each would
 * be an allocation. Two lanes of MurmurHash3's 32-bit rounds (Appleby, 2011), each with constants of its own.
 *
 * They tell apart what chance made, not what somebody forged: whoever may write can also find two entries
 * that cancel out in a tree, and with that hide from anti-entropy what they wrote. Reads still repair it.
 */

/** A hash. Mutable, so that hot paths can reuse one; whoever keeps it copies it. */
export class Hash64 {
  /** Both from 0 to 2^32 - 1. */
  high = 0;
  low = 0;

  static of(high: number, low: number): Hash64 {
    const hash = new Hash64();
    hash.high = high >>> 0;
    hash.low = low >>> 0;
    return hash;
  }

  /** Becomes the hash of the bytes from `start` to `end`. The same on every machine and in every version. */
  ofBytes(bytes: Uint8Array, start: number, end: number): this {
    let high = seedHigh;
    let low = seedLow;
    let at = start;
    for (; at + 4 <= end; at += 4) {
      const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      high = roundHigh(high, word);
      low = roundLow(low, word);
    }
    // Bytes past a whole word each make a word: the length, which ends the hash, tells them from others.
    for (; at < end; at += 1) {
      high = roundHigh(high, bytes[at]!);
      low = roundLow(low, bytes[at]!);
    }
    return this.#finish(high, low, end - start);
  }

  /** Becomes the hash of the two, in this order. */
  ofPair(first: Readonly<Hash64>, second: Readonly<Hash64>): this {
    let high = roundHigh(seedHigh, first.high);
    let low = roundLow(seedLow, first.high);
    high = roundHigh(high, first.low);
    low = roundLow(low, first.low);
    high = roundHigh(high, second.high);
    low = roundLow(low, second.high);
    high = roundHigh(high, second.low);
    low = roundLow(low, second.low);
    return this.#finish(high, low, pairBytes);
  }

  #finish(high: number, low: number, length: number): this {
    const highMixed = finalized(high ^ length);
    this.low = finalized(low ^ length ^ highMixed) >>> 0;
    this.high = highMixed >>> 0;
    return this;
  }
}

const seedHigh = 0x2c1b3c6d;
const seedLow = 0x297a2d39;
const pairBytes = 16;

function roundHigh(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  const mixed = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function roundLow(hash: number, word: number): number {
  let k = Math.imul(word, 0x38b34ae5);
  k = (k << 17) | (k >>> 15);
  const mixed = hash ^ Math.imul(k, 0xa1e38b93);
  return (Math.imul((mixed << 19) | (mixed >>> 13), 5) + 0x561ccd1b) | 0;
}

function finalized(lane: number): number {
  let mixed = lane ^ (lane >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
