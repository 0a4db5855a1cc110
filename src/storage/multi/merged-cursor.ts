/**
 * One ordered walk over the snapshots of several engines. While a bucket moves, an entry may be in two of them: the
 * one of the backend in which it has its place counts.
 */
import type { Buffer } from 'node:buffer';
import {
  type Cursor,
  type CursorLimits,
  type Entry,
  type ScanOptions,
  StorageError,
} from '../storage-engine.ts';

/** One engine's walk, with what was read of it and not yet handed out. */
interface Source {
  readonly cursor: Cursor;
  entries: readonly Entry[];
  position: number;
  hasEnded: boolean;
}

export class MergedCursor implements Cursor {
  readonly #sources: readonly Source[];
  readonly #isReverse: boolean;
  /** Whether the source of this number is where the key has its place. */
  readonly #isPlace: (source: number, key: Buffer) => boolean;
  #passed: Buffer | undefined;
  /** Met behind entries that were handed out first. */
  #failure: StorageError | undefined;
  #closed = false;

  constructor(
    cursors: readonly Cursor[],
    { reverse }: ScanOptions,
    isPlace: (source: number, key: Buffer) => boolean,
  ) {
    this.#sources = cursors.map((cursor) => ({ cursor, entries: [], position: 0, hasEnded: false }));
    this.#isReverse = reverse === true;
    this.#isPlace = isPlace;
  }

  async next(limits: CursorLimits): Promise<readonly Entry[]> {
    this.#assertUsable();
    const entries: Entry[] = [];
    let bytes = 0;
    while (entries.length < limits.entriesMax && bytes < limits.bytesMax) {
      if (!(await this.#fill(limits, entries.length > 0))) break;
      const entry = this.#first();
      if (entry === undefined) break;
      const size = entry.key.length + entry.value.length;
      if (entries.length > 0 && bytes + size > limits.bytesMax) break;
      this.#pass(entry.key);
      bytes += size;
      entries.push(entry);
    }
    return entries;
  }

  seek(key: Buffer): void {
    if (this.#closed || (this.#passed !== undefined && !this.#isBefore(this.#passed, key))) return;
    for (const source of this.#sources) {
      while (source.position < source.entries.length && this.#isBefore(headOf(source)!.key, key)) {
        source.position += 1;
      }
      if (source.position >= source.entries.length && !source.hasEnded) source.cursor.seek(key);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(this.#sources.map(({ cursor }) => cursor.close()));
  }

  /** Sees to it that each source has an entry or has ended. False: it failed, which the following call tells. */
  async #fill(limits: CursorLimits, isPartial: boolean): Promise<boolean> {
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      throw failure;
    }
    for (const source of this.#sources) {
      if (source.hasEnded || source.position < source.entries.length) continue;
      try {
        source.entries = await source.cursor.next(limits);
      } catch (failure) {
        if (!isPartial || !(failure instanceof StorageError)) throw failure;
        this.#failure = failure;
        return false;
      }
      this.#assertUsable();
      source.position = 0;
      source.hasEnded = source.entries.length === 0;
    }
    return true;
  }

  #first(): Entry | undefined {
    let first: Entry | undefined;
    for (const [i, source] of this.#sources.entries()) {
      const head = headOf(source);
      if (head === undefined) continue;
      const isFirst = first === undefined || this.#isBefore(head.key, first.key);
      if (isFirst || (head.key.equals(first!.key) && this.#isPlace(i, head.key))) first = head;
    }
    return first;
  }

  #pass(key: Buffer): void {
    this.#passed = key;
    for (const source of this.#sources) if (headOf(source)?.key.equals(key)) source.position += 1;
  }

  #isBefore(a: Buffer, b: Buffer): boolean {
    const order = a.compare(b);
    return this.#isReverse ? order > 0 : order < 0;
  }

  #assertUsable(): void {
    if (this.#closed) throw new StorageError('closed', 'the cursor is closed');
  }
}

function headOf({ entries, position }: Source): Entry | undefined {
  return entries[position];
}
