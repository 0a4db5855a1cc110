/**
 * A Bloom filter whose bits for one key lie in one cache line (Putze, Sanders and Singler, "Cache-, Hash- and
 * Space-Efficient Bloom Filters", 2007): six probes, one miss of the cache.
 */
import type { Buffer } from 'node:buffer';
import { BLOOM_BITS_PER_KEY } from './log-limits.ts';

const LINE_BYTES = 64;
const PROBES = 6;
const GOLDEN_RATIO = 0x9e3779b1;

/** FNV-1a with Murmur's finalizer. Keys of strangers can be made to collide; that costs them a read in vain. */
export function hashOfKey(key: Uint8Array, length = key.length): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ key[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export class BloomFilter {
  readonly bytes: Uint8Array;
  readonly #lines: number;

  /** `bytes` of a filter that was kept; its length is a multiple of 64. */
  constructor(bytes: Uint8Array | Buffer) {
    this.bytes = bytes;
    this.#lines = bytes.length / LINE_BYTES;
  }

  static forKeys(count: number): BloomFilter {
    const lines = Math.max(1, Math.ceil((count * BLOOM_BITS_PER_KEY) / (8 * LINE_BYTES)));
    return new BloomFilter(new Uint8Array(lines * LINE_BYTES));
  }

  add(hash: number): void {
    const line = (hash % this.#lines) * LINE_BYTES;
    let probe = Math.imul(hash, GOLDEN_RATIO);
    for (let i = 0; i < PROBES; i++) {
      this.bytes[line + (probe >>> 26)]! |= 1 << ((probe >>> 23) & 7);
      probe = Math.imul(probe, GOLDEN_RATIO);
    }
  }

  /** False: the key is not in the set. */
  mayHave(hash: number): boolean {
    const line = (hash % this.#lines) * LINE_BYTES;
    let probe = Math.imul(hash, GOLDEN_RATIO);
    for (let i = 0; i < PROBES; i++) {
      if ((this.bytes[line + (probe >>> 26)]! & (1 << ((probe >>> 23) & 7))) === 0) return false;
      probe = Math.imul(probe, GOLDEN_RATIO);
    }
    return true;
  }
}
