/**
 * A walk over all sources of the index at once: each key once, as the newest source that has it says. Sources are
 * given newest first.
 */

import type { EntrySource } from './entry-source.ts';
import { compareSlices } from './key-order.ts';

/** Told of an entry that a newer one of the same key hides. */
export type Shadowed = (source: EntrySource) => void;

export class IndexWalk {
  readonly #sources: readonly EntrySource[];
  readonly #direction: 1 | -1;
  readonly #shadowed: Shadowed | undefined;
  /** The sources that stand on the present key, newest first. */
  readonly #standing: number[] = [];

  constructor(sources: readonly EntrySource[], isReverse: boolean, shadowed?: Shadowed) {
    this.#sources = sources;
    this.#direction = isReverse ? -1 : 1;
    this.#shadowed = shadowed;
  }

  /** Moves to the next key; false at the end. */
  next(): boolean {
    for (const index of this.#standing) this.#sources[index]!.next();
    return this.#settle();
  }

  /** The newest entry of the present key. */
  get entry(): EntrySource {
    return this.#sources[this.#standing[0]!]!;
  }

  /** Which source it is from. */
  get sourceIndex(): number {
    return this.#standing[0]!;
  }

  /** Moves on to the first key at or after `key`, in the walk's direction; `next` then gives the one behind. */
  seek(key: Buffer): boolean {
    for (const source of this.#sources) {
      if (source.isAtEnd) continue;
      const order = compareSlices(source.key, 0, source.keyBytes, key, 0, key.length);
      if (order * this.#direction < 0) source.seek(key);
    }
    return this.#settle();
  }

  #settle(): boolean {
    const standing = this.#standing;
    standing.length = 0;
    const sources = this.#sources;
    let best: EntrySource | undefined;
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i]!;
      if (source.isAtEnd) continue;
      const order =
        best === undefined
          ? -1
          : this.#direction * compareSlices(source.key, 0, source.keyBytes, best.key, 0, best.keyBytes);
      if (order > 0) continue;
      if (order < 0) standing.length = 0;
      if (order < 0) best = source;
      standing.push(i);
    }
    const shadowed = this.#shadowed;
    if (shadowed !== undefined) {
      for (let i = 1; i < standing.length; i++) shadowed(sources[standing[i]!]!);
    }
    return standing.length > 0;
  }
}
