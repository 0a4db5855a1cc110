/** Segments: the files of the log. One is written at its end; the others only lose what lives in them. */
import type { Buffer } from 'node:buffer';
import { DiskError, type DiskFile } from '../../environment/index.ts';
import { PageCache } from './page-cache.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import type { DeadRecords } from './write-run.ts';

export class Segment {
  readonly number: number;
  readonly file: DiskFile;
  /** Where the next frame goes, or would go. */
  end: number;
  /** Of records that are known to be dead. */
  deadBytes = 0;
  /** Of tombstones: they live until nothing is left that is older. */
  tombstoneBytes = 0;
  /** Where bytes are read that may not be on disk, after a failure: see `LogWriter`. */
  #instead: ((offset: number, length: number) => Buffer) | undefined;
  #insteadFrom = Number.POSITIVE_INFINITY;

  constructor(number: number, file: DiskFile, end: number) {
    this.number = number;
    this.file = file;
    this.end = end;
  }

  /** Throws `DiskError`: 'missing' for what the file has lost. */
  read(offset: number, length: number): Buffer {
    if (offset >= this.#insteadFrom) return this.#instead!(offset, length);
    this.#assertThere(offset, length);
    return this.file.read(offset, length);
  }

  /** As `read`; pages that are asked for again are kept. */
  readThrough(cache: PageCache, offset: number, length: number): Buffer {
    if (offset >= this.#insteadFrom) return this.#instead!(offset, length);
    this.#assertThere(offset, length);
    return cache.read(this, offset, length);
  }

  readFrom(offset: number, instead: (offset: number, length: number) => Buffer): void {
    this.#insteadFrom = offset;
    this.#instead = instead;
  }

  #assertThere(offset: number, length: number): void {
    const { file } = this;
    if (offset + length <= file.size) return;
    throw new DiskError('missing', file.path, `the file ends before ${offset + length}`);
  }

  get bytes(): number {
    return Math.max(0, this.end - SEGMENT_HEADER_BYTES);
  }

  get garbageShare(): number {
    return this.bytes === 0 ? 0 : Math.min(1, this.deadBytes / this.bytes);
  }
}

/** Keeps segments readable that were collected while it was held. */
export interface SegmentPin {
  /** Throws `DiskError`. */
  read(segment: number, offset: number, length: number): Buffer;
  release(): Promise<void>;
}

class Pin {
  readonly doomed: Doomed[] = [];
}

interface Doomed {
  readonly segment: Segment;
  holders: number;
}

export class SegmentSet {
  readonly #segments = new Map<number, Segment>();
  readonly #pins = new Set<Pin>();
  readonly #pages: PageCache;

  constructor(pages = new PageCache(0)) {
    this.#pages = pages;
  }

  /** Bytes of memory that pages of the log take. */
  get cachedBytes(): number {
    return this.#pages.bytes;
  }

  add(segment: Segment): void {
    this.#segments.set(segment.number, segment);
  }

  get(number: number): Segment | undefined {
    return this.#segments.get(number);
  }

  get size(): number {
    return this.#segments.size;
  }

  /** Oldest first: numbers grow, and a map keeps the order in which it was filled. */
  all(): IterableIterator<Segment> {
    return this.#segments.values();
  }

  oldest(): Segment | undefined {
    for (const segment of this.#segments.values()) return segment;
    return undefined;
  }

  get newest(): Segment | undefined {
    let newest: Segment | undefined;
    for (const segment of this.#segments.values()) newest = segment;
    return newest;
  }

  read(number: number, offset: number, length: number): Buffer {
    const segment = this.#segments.get(number);
    if (segment === undefined) throw new DiskError('missing', String(number), `segment ${number} is gone`);
    return segment.readThrough(this.#pages, offset, length);
  }

  countDead(records: DeadRecords): void {
    for (const { segment: number, bytes, isTombstone } of records) {
      const segment = this.#segments.get(number);
      if (segment === undefined) continue;
      segment.deadBytes += bytes;
      if (isTombstone) segment.tombstoneBytes = Math.max(0, segment.tombstoneBytes - bytes);
    }
  }

  pin(): SegmentPin {
    const pin = new Pin();
    this.#pins.add(pin);
    return {
      read: (number, offset, length) => {
        const segment =
          this.#segments.get(number) ??
          pin.doomed.find((doomed) => doomed.segment.number === number)?.segment;
        if (segment === undefined)
          throw new DiskError('missing', String(number), `segment ${number} is gone`);
        return segment.read(offset, length);
      },
      release: async () => {
        if (!this.#pins.delete(pin)) return;
        for (const doomed of pin.doomed) {
          doomed.holders -= 1;
          if (doomed.holders === 0) await doomed.segment.file.close();
        }
      },
    };
  }

  /** Takes a segment out; its file is closed when the pins of now are released. */
  async retire(segment: Segment): Promise<void> {
    this.#segments.delete(segment.number);
    if (this.#pins.size === 0) return await segment.file.close();
    const doomed: Doomed = { segment, holders: this.#pins.size };
    for (const pin of this.#pins) pin.doomed.push(doomed);
  }

  async close(): Promise<void> {
    for (const segment of this.#segments.values()) await segment.file.close();
    for (const pin of this.#pins) for (const { segment } of pin.doomed) await segment.file.close();
    this.#pins.clear();
  }
}
