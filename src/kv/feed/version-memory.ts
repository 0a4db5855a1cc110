/**
 * Which versions a feed has handed out last, of so many keys, so that it hands out none twice for each replica, and none
 * that is older than one before.
 *
 * V1  Of a remembered key nothing is news that the version handed out last has seen.
 * V2  Nor what is older than several versions together that were handed out one after another.
 * V3  Everything else is news: to hand out a version twice is allowed, to leave one out is not.
 */
import { VersionVector } from '../../clocks/index.ts';
import type { ByteString } from '../../stdx/index.ts';

interface Remembered {
  readonly last: VersionVector;
  /** All versions together that were handed out. */
  readonly high: VersionVector;
  readonly digest: ByteString;
  readonly isGone: boolean;
}

export class VersionMemory {
  readonly #keysMax: number;
  /** The one that was used longest ago comes first. */
  readonly #keys = new Map<ByteString, Remembered>();

  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  /** Whether just this version was handed out last. */
  has(key: ByteString, digest: ByteString): boolean {
    return this.#keys.get(key)?.digest === digest;
  }

  /** Whether this is to be handed out; if so it is remembered. `clock` undefined: nothing is stored any more. */
  isNews(key: ByteString, clock: VersionVector | undefined, digest: ByteString): boolean {
    const before = this.#keys.get(key);
    if (clock === undefined) {
      if (before?.isGone === true) return false;
      const last = before?.last ?? VersionVector.empty;
      this.#remember(key, { last, high: before?.high ?? last, digest, isGone: true });
      return true;
    }
    if (before !== undefined) {
      if (before.last.descends(clock)) return false;
      if (before.high.descends(clock) && !before.high.equals(clock)) return false;
    }
    const high = before === undefined ? clock : VersionVector.merge(before.high, clock);
    this.#remember(key, { last: clock, high, digest, isGone: false });
    return true;
  }

  #remember(key: ByteString, version: Remembered): void {
    this.#keys.delete(key);
    this.#keys.set(key, version);
    if (this.#keys.size <= this.#keysMax) return;
    for (const oldest of this.#keys.keys()) {
      this.#keys.delete(oldest);
      return;
    }
  }
}
