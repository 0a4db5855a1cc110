/**
 * Unpredictable randomness, drawn in pages: a `u32` costs a read of memory. A draw of four pages costs little more than of one.
 */
import { Buffer } from 'node:buffer';
import { randomFillSync } from 'node:crypto';
import type { Random } from '../environment/index.ts';

const poolBytes = 16 * 1024;
const pooledBytesMax = 512;
const fractionBits = 2 ** 53;

export class MachineRandom implements Random {
  readonly #pool = Buffer.allocUnsafeSlow(poolBytes);
  #used = poolBytes;

  u32(): number {
    const at = this.#take(4);
    const pool = this.#pool;
    return (pool[at]! | (pool[at + 1]! << 8) | (pool[at + 2]! << 16) | (pool[at + 3]! << 24)) >>> 0;
  }

  fraction(): number {
    const at = this.#take(8);
    const high = this.#pool.readUInt32LE(at) >>> 5;
    const low = this.#pool.readUInt32LE(at + 4) >>> 6;
    return (high * 2 ** 26 + low) / fractionBits;
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.allocUnsafe(count);
    if (count > pooledBytesMax) return randomFillSync(bytes);
    const at = this.#take(count);
    this.#pool.copy(bytes, 0, at, at + count);
    // What somebody holds as a secret must not be found here later.
    this.#pool.fill(0, at, at + count);
    return bytes;
  }

  #take(count: number): number {
    if (this.#used + count > poolBytes) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += count;
    return at;
  }
}
