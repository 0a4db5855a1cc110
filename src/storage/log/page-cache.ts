/**
 * Pages of the log in memory: a read that finds its pages here costs no system call. Whole pages below the end of a
 * segment never change, so nothing has to be taken out when something is written.
 *
 * A page is kept when it is asked for the second time in a while: of a database much larger than the cache most pages
 * are asked for once, and reading them whole would cost more than it saves. Which one gives way is second chance (CLOCK).
 */
import { Buffer } from 'node:buffer';

const PAGE_BYTES = 4096;
/** Longer reads are mostly copying: they go to the file. */
const READ_BYTES_MAX = 2 * PAGE_BYTES;
/** So many pages a segment have numbers of their own. What is behind them, in a batch of a gigabyte, is not kept. */
const SEGMENT_PAGES_MAX = 2 ** 18;
/** Pages lie in slabs, which are made when they are needed and stay. */
const SLAB_PAGES = 256;
const GOLDEN_RATIO = 0x9e3779b1;

/** Reads exactly so many bytes of a segment's file. Throws `DiskError`. */
export interface PageSource {
  readonly number: number;
  /** Everything before has been written. */
  readonly end: number;
  /** May have lost its end. */
  readonly file: { readonly size: number; read(offset: number, length: number): Buffer };
}

export class PageCache {
  readonly #pagesMax: number;
  /** By segment and page. */
  readonly #frames = new Map<number, number>();
  readonly #slabs: Buffer[] = [];
  readonly #names: number[] = [];
  readonly #wasUsed: Uint8Array;
  /** Pages that were asked for and not kept, each in one place: a collision forgets the older. */
  readonly #asked: Float64Array;
  #hand = 0;

  constructor(bytesMax: number) {
    this.#pagesMax = Math.floor(bytesMax / PAGE_BYTES);
    this.#wasUsed = new Uint8Array(this.#pagesMax);
    this.#asked = new Float64Array(2 ** Math.ceil(Math.log2(2 * this.#pagesMax + 1))).fill(-1);
  }

  get bytes(): number {
    return this.#slabs.length * SLAB_PAGES * PAGE_BYTES;
  }

  /** The buffer is the caller's. Throws `DiskError`. */
  read(segment: PageSource, offset: number, length: number): Buffer {
    const first = Math.floor(offset / PAGE_BYTES);
    const last = Math.floor((offset + length - 1) / PAGE_BYTES);
    const isWhole = (last + 1) * PAGE_BYTES <= Math.min(segment.end, segment.file.size);
    if (!isWhole || length > READ_BYTES_MAX || last >= SEGMENT_PAGES_MAX || this.#pagesMax === 0) {
      return segment.file.read(offset, length);
    }
    const bytes = Buffer.allocUnsafe(length);
    let at = 0;
    let isMissing = false;
    for (let page = first; page <= last; page += 1) {
      const frame = this.#frameOf(segment, page);
      // The pages behind it are asked for all the same.
      if (frame < 0) isMissing = true;
      if (isMissing) continue;
      const start = (frame % SLAB_PAGES) * PAGE_BYTES;
      const from = page === first ? offset - first * PAGE_BYTES : 0;
      const to = Math.min(PAGE_BYTES, from + length - at);
      at += this.#slabOf(frame).copy(bytes, at, start + from, start + to);
    }
    return isMissing ? segment.file.read(offset, length) : bytes;
  }

  /** -1: it is not here, and has not been asked for lately. */
  #frameOf(segment: PageSource, number: number): number {
    const name = segment.number * SEGMENT_PAGES_MAX + number;
    const frame = this.#frames.get(name);
    if (frame !== undefined) {
      this.#wasUsed[frame] = 1;
      return frame;
    }
    const place = Math.imul(segment.number ^ Math.imul(number, GOLDEN_RATIO), GOLDEN_RATIO) & this.#mask;
    if (this.#asked[place] !== name) {
      this.#asked[place] = name;
      return -1;
    }
    const page = segment.file.read(number * PAGE_BYTES, PAGE_BYTES);
    return this.#keep(name, page);
  }

  get #mask(): number {
    return this.#asked.length - 1;
  }

  #keep(name: number, page: Buffer): number {
    const frame = this.#names.length < this.#pagesMax ? this.#names.length : this.#evict();
    page.copy(this.#slabOf(frame), (frame % SLAB_PAGES) * PAGE_BYTES);
    this.#names[frame] = name;
    this.#wasUsed[frame] = 0;
    this.#frames.set(name, frame);
    return frame;
  }

  #slabOf(frame: number): Buffer {
    const index = Math.floor(frame / SLAB_PAGES);
    this.#slabs[index] ??= Buffer.allocUnsafeSlow(SLAB_PAGES * PAGE_BYTES);
    return this.#slabs[index];
  }

  /** The frame that is free then. */
  #evict(): number {
    while (this.#wasUsed[this.#hand] === 1) {
      this.#wasUsed[this.#hand] = 0;
      this.#hand = (this.#hand + 1) % this.#pagesMax;
    }
    const frame = this.#hand;
    this.#frames.delete(this.#names[frame]!);
    this.#hand = (frame + 1) % this.#pagesMax;
    return frame;
  }
}
