/**
 * SHA-1 (FIPS 180-4 §6.1) of short inputs, of which only the first of five words is wanted. A name is one
 * or two blocks: calling the native hash, with its digest as a string, takes several times as long.
 */
const blockBytes = 64;
const lengthBytes = 8;
const rounds = 80;

/** Room that a message of `length` bytes needs for itself and its padding. */
export function paddedBytes(length: number): number {
  return Math.ceil((length + 1 + lengthBytes) / blockBytes) * blockBytes;
}

export class Sha1 {
  readonly #schedule = new Int32Array(rounds);
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;
  #e = 0;

  /** The first 32 bits of the digest of the first `length` bytes, unsigned. Pads in place. */
  firstWord(bytes: Uint8Array, length: number): number {
    const end = pad(bytes, length);
    this.#a = 0x67452301;
    this.#b = 0xefcdab89 | 0;
    this.#c = 0x98badcfe | 0;
    this.#d = 0x10325476;
    this.#e = 0xc3d2e1f0 | 0;
    for (let at = 0; at < end; at += blockBytes) this.#block(bytes, at);
    return this.#a >>> 0;
  }

  /** Four loops, one for each function and constant (§4.1.1, §4.2.1): a choice in each round costs as much as the round. */
  #block(bytes: Uint8Array, start: number): void {
    const w = this.#schedule;
    expand(w, bytes, start);
    let a = this.#a;
    let b = this.#b;
    let c = this.#c;
    let d = this.#d;
    let e = this.#e;
    let next = 0;
    for (let t = 0; t < 20; t += 1) {
      next = (((a << 5) | (a >>> 27)) + ((b & c) | (~b & d)) + e + w[t]! + 0x5a827999) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    for (let t = 20; t < 40; t += 1) {
      next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + w[t]! + 0x6ed9eba1) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    for (let t = 40; t < 60; t += 1) {
      next = (((a << 5) | (a >>> 27)) + ((b & c) | (b & d) | (c & d)) + e + w[t]! + 0x8f1bbcdc) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    for (let t = 60; t < rounds; t += 1) {
      next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + w[t]! + 0xca62c1d6) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    this.#a = (this.#a + a) | 0;
    this.#b = (this.#b + b) | 0;
    this.#c = (this.#c + c) | 0;
    this.#d = (this.#d + d) | 0;
    this.#e = (this.#e + e) | 0;
  }
}

/** The message schedule of a block (§6.1.2). */
function expand(w: Int32Array, bytes: Uint8Array, start: number): void {
  for (let t = 0, at = start; t < 16; t += 1, at += 4) {
    w[t] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
  for (let t = 16; t < rounds; t += 1) {
    const mixed = w[t - 3]! ^ w[t - 8]! ^ w[t - 14]! ^ w[t - 16]!;
    w[t] = (mixed << 1) | (mixed >>> 31);
  }
}

/** Appends a one bit, zeros, and the length in bits (§5.1.1). Returns the end, a multiple of the block. */
function pad(bytes: Uint8Array, length: number): number {
  const end = paddedBytes(length);
  bytes[length] = 0x80;
  for (let at = length + 1; at < end; at += 1) bytes[at] = 0;
  const bits = length * 8;
  bytes[end - 5] = Math.floor(bits / 2 ** 32);
  bytes[end - 4] = bits >>> 24;
  bytes[end - 3] = bits >>> 16;
  bytes[end - 2] = bits >>> 8;
  bytes[end - 1] = bits;
  return end;
}
