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
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { Clock } from '../../environment/index.ts';
import { mergeObjects, VersionedObject } from '../object/index.ts';
import type { ObjectKey } from './object-key.ts';

/** Longer than a request lives, and than a connection that does not get through. */
export const reapedMsMin = 120_000;
/** Unless the node is told otherwise: some hundred bytes each. */
export const reapedMaxDefault = 100_000;

interface Reaped {
  readonly tombstone: VersionedObject;
  readonly until: number;
}

export class ReapedVersions {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #max: number;
  /** By storage key; the oldest first. */
  readonly #reaped = new Map<string, Reaped>();

  constructor(clock: Pick<Clock, 'now'>, max = reapedMaxDefault) {
    this.#clock = clock;
    this.#max = max;
  }

  /** How many are remembered, those included whose time is over and that nobody has asked for. */
  get size(): number {
    return this.#reaped.size;
  }

  get hasRoom(): boolean {
    this.#forgetOld();
    return this.#reaped.size < this.#max;
  }

  /** Beside what is remembered of the key: an older tombstone that came late must not stand for the newer one. */
  add(partition: Partition, key: ObjectKey, reaped: VersionedObject): void {
    const name = nameOf(partition, key);
    const before = this.of(partition, key);
    const tombstone = before === undefined ? reaped : mergeObjects(before, reaped);
    // Behind those that came before: the map is in the order of time.
    this.#reaped.delete(name);
    this.#reaped.set(name, { tombstone: copyOf(tombstone), until: this.#clock.now() + reapedMsMin });
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

/** Small buffers are slices of a page, and would keep all of it. */
function copyOf({ bytes }: VersionedObject): VersionedObject {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return VersionedObject.decode(own);
}

function nameOf(partition: Partition, key: ObjectKey): string {
  return key.borrow(partition).toString('latin1');
}
