/**
 * What was reaped lately, so that a copy that was under way all the time does not come back (C8).
 *
 * All replicas of a key held its tombstone and forgot it; a repair, or a write of one coordinator to one replica, may still
 * lie in a connection between two nodes whose way is cut, while both are reached by everybody else. Where there is nothing
 * it would pass for news. So for longer than a message can be under way a vnode merges what comes with the tombstone that
 * it has forgotten.
 *
 * In memory: a process that ends takes its connections with it, and what lies in them. Bounded: without room nothing is
 * reaped.
 */
import type { Partition } from '../../core/ring/index.ts';
import type { Clock } from '../../environment/index.ts';
import type { VersionedObject } from '../object/index.ts';
import type { ObjectKey } from './object-key.ts';

/** Longer than a request lives, and than a connection that does not get through. */
export const reapedMsMin = 120_000;
export const reapedMax = 100_000;

interface Reaped {
  readonly tombstone: VersionedObject;
  readonly until: number;
}

export class ReapedVersions {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #max: number;
  /** By storage key; the oldest first. */
  readonly #reaped = new Map<string, Reaped>();

  constructor(clock: Pick<Clock, 'now'>, max = reapedMax) {
    this.#clock = clock;
    this.#max = max;
  }

  get hasRoom(): boolean {
    this.#forgetOld();
    return this.#reaped.size < this.#max;
  }

  add(partition: Partition, key: ObjectKey, tombstone: VersionedObject): void {
    const name = nameOf(partition, key);
    // Behind those that came before: the map is in the order of time.
    this.#reaped.delete(name);
    this.#reaped.set(name, { tombstone, until: this.#clock.now() + reapedMsMin });
  }

  /** What was reaped of the key in this partition, if that was lately. */
  of(partition: Partition, key: ObjectKey): VersionedObject | undefined {
    if (this.#reaped.size === 0) return undefined;
    const reaped = this.#reaped.get(nameOf(partition, key));
    return reaped !== undefined && reaped.until > this.#clock.now() ? reaped.tombstone : undefined;
  }

  #forgetOld(): void {
    const now = this.#clock.now();
    for (const [name, { until }] of this.#reaped) {
      if (until > now) return;
      this.#reaped.delete(name);
    }
  }
}

function nameOf(partition: Partition, key: ObjectKey): string {
  return key.borrow(partition).toString('latin1');
}
