/**
 * Blocks of the index that were read and checked, up to a number of bytes: second chance (CLOCK), over all runs of an
 * engine. Only lookups fill it; walks and merges would wash it out.
 */
import { Buffer } from 'node:buffer';

/** What a block costs beside its bytes, about. */
const BLOCK_OVERHEAD_BYTES = 256;

/** The blocks of one run that are in the cache, by index. */
export type CachedBlocks = (CachedBlock | undefined)[];

export interface CachedBlock {
  readonly bytes: Buffer;
  readonly owner: CachedBlocks;
  readonly index: number;
  wasUsed: boolean;
}

export class BlockCache {
  readonly #bytesMax: number;
  readonly #ring: CachedBlock[] = [];
  #hand = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a copy: a small buffer is a view of a bigger one, which would stay as well. */
  add(owner: CachedBlocks, index: number, block: Buffer): void {
    const size = block.length + BLOCK_OVERHEAD_BYTES;
    if (size > this.#bytesMax) return;
    while (this.#bytes + size > this.#bytesMax) this.#evict();
    const bytes = Buffer.allocUnsafeSlow(block.length);
    block.copy(bytes);
    const cached = { bytes, owner, index, wasUsed: false };
    owner[index] = cached;
    this.#ring.push(cached);
    this.#bytes += size;
  }

  /** The run is gone. */
  drop(owner: CachedBlocks): void {
    for (let i = this.#ring.length - 1; i >= 0; i--) if (this.#ring[i]!.owner === owner) this.#remove(i);
  }

  #evict(): void {
    this.#hand %= this.#ring.length;
    for (let cached = this.#ring[this.#hand]!; cached.wasUsed; cached = this.#ring[this.#hand]!) {
      cached.wasUsed = false;
      this.#hand = (this.#hand + 1) % this.#ring.length;
    }
    this.#remove(this.#hand);
  }

  #remove(at: number): void {
    const { owner, index, bytes } = this.#ring[at]!;
    owner[index] = undefined;
    this.#bytes -= bytes.length + BLOCK_OVERHEAD_BYTES;
    const last = this.#ring.pop()!;
    if (at < this.#ring.length) this.#ring[at] = last;
  }
}
