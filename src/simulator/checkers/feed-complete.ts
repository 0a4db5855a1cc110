/**
 * What a follower of a change feed has heard, against what is there when all is at rest:
 *
 *   F1  Of every key that was changed since the follower began, it has heard the state that is there now.
 *   F2  Within one life of a feed it never hears an older version of a key after a newer one.
 *   F3  What it was not told is only ever a deletion, and then it was told of a gap.
 */
import { VersionVector } from '../../clocks/index.ts';

export interface HeardVersion {
  /** Writes that are shown; none: it is deleted. */
  readonly ids: readonly number[];
  /** Undefined: nothing is stored. */
  readonly clock: VersionVector | undefined;
}

/** What one follower knows, through all the feeds that it has read one after another. */
export class FeedKnowledge {
  readonly violations: string[] = [];
  readonly #heard = new Map<string, HeardVersion & { readonly at: number }>();
  /** The newest version of each key in the present life of the feed. */
  readonly #newest = new Map<string, VersionVector>();
  #lastGapAt = -1;
  #events = 0;

  began(): void {
    this.#newest.clear();
  }

  gap(): void {
    this.#events += 1;
    this.#lastGapAt = this.#events;
  }

  heard(key: string, version: HeardVersion): void {
    this.#events += 1;
    const { clock, ids } = version;
    const before = this.#newest.get(key) ?? VersionVector.empty;
    if (clock !== undefined && before.descends(clock) && !before.equals(clock)) {
      this.violations.push(`F2 ${key}: ${ids.join()} came after something newer`);
    }
    if (clock !== undefined) this.#newest.set(key, VersionVector.merge(before, clock));
    this.#heard.set(key, { ...version, at: this.#events });
  }

  /** Of keys that were changed while it followed: what it lacks of what is there now. */
  missing(now: ReadonlyMap<string, readonly number[]>): readonly string[] {
    const missing: string[] = [];
    for (const [key, ids] of now) {
      const heard = this.#heard.get(key);
      if (heard !== undefined && heard.ids.join() === ids.join()) continue;
      const isTold = ids.length === 0 && (heard?.at ?? 0) <= this.#lastGapAt;
      if (!isTold)
        missing.push(`F1 ${key} is ${ids.join() || 'deleted'}, heard ${heard?.ids.join() ?? 'nothing'}`);
    }
    return missing;
  }
}
