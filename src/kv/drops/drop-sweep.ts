/**
 * Deletes what was dropped, and says when nothing is left of it.
 *
 * Z1  Objects go as by a delete each: with a tombstone, so that no replica that was away brings one back. Of the replicas
 *     of a key the first in the ring looks after it.
 * Z2  A drop ends when a listing of all of it, at every replica, has found no live key twice, `restMs` apart, with nobody away or
 *     in doubt both times; then the properties go, and the mark last. One node looks: the owner of the partition of its name.
 *     What is live at one replica alone it has repaired at the others by its look, and the next sweep deletes it.
 * Z3  Whatever dies in between, the mark is there, and the next look goes on.
 * Z4  A look ends with its mark: nothing is deleted or forgotten for one that is gone, was set anew, or is of a cluster that
 *     this node has left for another.
 */
import type { Buffer } from 'node:buffer';
import { VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Environment, Instant } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { type KeyRange, type StorageEngine, StorageError } from '../../storage/index.ts';
import { BackgroundTask } from '../anti-entropy/index.ts';
import { type FirstReplicaParts, isFirstReplica } from '../first-replica.ts';
import { KvFailure, type ObjectAddress } from '../key-value-store.ts';
import { VersionedObject } from '../object/index.ts';
import { addressOf, bucketRange, bucketTypeRange } from '../vnode/index.ts';
import type { DropMark, DropMarks, Dropped } from './drop-marks.ts';

const sliceLimits = { entriesMax: 256, bytesMax: 256 * 1024 };
/** Deletes of one node that are under way at once. */
const windowMax = 16;
/** Between two looks at what is being dropped. */
const intervalMs = 1000;
/** Every node has heard of a mark by then that is not away. */
const restMs = 5000;

export interface DropSweepParts extends FirstReplicaParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'log'>;
  readonly engine: StorageEngine;
  readonly marks: DropMarks;
  /** There is too much to do for what is not urgent. */
  readonly isLoaded: () => boolean;
  /**
   * Deletes an object whatever its bucket lets clients do. Does not reject. `seen`: what the delete covers, without a look
   * at what is there, which might show nothing: a copy that has expired, is hidden by a tombstone, or cannot be decoded.
   */
  readonly remove: (address: ObjectAddress, seen?: VersionVector) => Promise<void>;
  /** Whether no key is live in it. Rejects with `KvFailure` if not everybody could say. */
  readonly isEmpty: (dropped: Dropped) => Promise<boolean>;
  /** Forgets its properties, and the type. Rejects with `KvFailure`. */
  readonly forget: (dropped: Dropped) => Promise<void>;
}

interface Removal {
  readonly address: ObjectAddress;
  readonly seen: VersionVector | undefined;
}

export class DropSweep {
  readonly #parts: DropSweepParts;
  readonly #task: BackgroundTask;
  /** Since when nothing was found. */
  readonly #emptySince = new Map<string, Instant>();
  #removed = 0;

  constructor(parts: DropSweepParts) {
    this.#parts = parts;
    this.#task = new BackgroundTask('drop-sweep', parts.environment);
  }

  /** Objects that this node has deleted of what was dropped. */
  get removed(): number {
    return this.#removed;
  }

  /** Once. Nothing runs while nothing is being dropped. */
  start(): void {
    const { marks } = this.#parts;
    marks.onChange(() => this.#begin());
    this.#begin();
  }

  close(): Promise<void> {
    return this.#task.close();
  }

  #begin(): void {
    const { marks } = this.#parts;
    if (marks.list().length === 0) return;
    this.#task.start(async () => {
      while (!this.#task.pause.isClosed && marks.list().length > 0) {
        for (const mark of marks.list()) await this.#lookAt(mark);
        await this.#task.pause.for(intervalMs);
      }
      this.#emptySince.clear();
    });
  }

  async #lookAt(mark: DropMark): Promise<void> {
    const { environment } = this.#parts;
    try {
      const found = await this.#removeOwn(mark);
      if (found === 0 && this.#looksAfter(mark)) await this.#endIfEmpty(mark);
    } catch (error) {
      if (!(error instanceof StorageError || error instanceof KvFailure)) throw error;
      environment.log.warn('a drop could not be gone on with; it is tried again', { reason: error.message });
    }
  }

  /** How many were found in this node's partitions. */
  async #removeOwn(mark: DropMark): Promise<number> {
    const { topology } = this.#parts;
    let found = 0;
    for (const partition of topology.ring.partitionsOf(topology.self)) {
      if (!this.#goesOn(mark)) return 1;
      found += await this.#removeIn(partition, mark);
    }
    return found;
  }

  #goesOn(mark: DropMark): boolean {
    return !this.#task.pause.isClosed && this.#parts.marks.holds(mark);
  }

  async #removeIn(partition: Partition, mark: DropMark): Promise<number> {
    const { engine, isLoaded } = this.#parts;
    // What cannot be read is deleted like the rest.
    const damaged: Buffer[] = [];
    const cursor = engine.scan(rangeOf(partition, mark), {
      corrupt: (key) => key !== undefined && damaged.push(key),
    });
    let found = 0;
    try {
      for (;;) {
        const entries = await cursor.next(sliceLimits);
        const removals: Removal[] = [];
        for (const { key, value } of entries) {
          const object = VersionedObject.tryDecode(value);
          const address = addressOf(key);
          if (object === undefined) damaged.push(key);
          else if (!object.isTombstone && isFirstReplica(partition, address, this.#parts)) {
            // Where a bucket shows one sibling that may be a tombstone, or have expired, over what lives.
            const mayBeHidden = object.mayExpire || object.hasTombstone;
            removals.push({ address, seen: mayBeHidden ? object.clock : undefined });
          }
        }
        // Other replicas may know nothing of it, so that its own partition is the one to look after it.
        for (const key of damaged.splice(0)) {
          removals.push({ address: addressOf(key), seen: VersionVector.empty });
        }
        found += removals.length;
        await this.#remove(mark, removals);
        if (entries.length === 0) return found;
        if (isLoaded()) await this.#task.pause.for(intervalMs);
        if (!this.#goesOn(mark)) return found;
      }
    } finally {
      await cursor.close();
    }
  }

  async #remove(mark: DropMark, removals: readonly Removal[]): Promise<void> {
    for (let from = 0; from < removals.length && this.#goesOn(mark); from += windowMax) {
      const some = removals.slice(from, from + windowMax);
      await Promise.all(some.map(({ address, seen }) => this.#parts.remove(address, seen)));
      this.#removed += some.length;
    }
  }

  #looksAfter({ bucketType, bucket = byteLiteral('') }: Dropped): boolean {
    const { topology, names } = this.#parts;
    const { ring } = topology;
    const address = { bucketType, bucket, key: byteLiteral('') };
    return ring.ownerOf(ring.partitionOf(names.of(address))) === topology.self;
  }

  async #endIfEmpty(mark: DropMark): Promise<void> {
    const { marks, forget, environment } = this.#parts;
    const id = idOf(mark);
    if (!(await this.#isEmpty(mark)) || !this.#goesOn(mark)) {
      this.#emptySince.delete(id);
      return;
    }
    const now = environment.clock.now();
    const since = this.#emptySince.get(id);
    if (since === undefined) this.#emptySince.set(id, now);
    else if (now - since >= restMs) {
      await forget(mark);
      await marks.clear(mark);
      this.#emptySince.delete(id);
    }
  }

  async #isEmpty(dropped: Dropped): Promise<boolean> {
    const { topology, isEmpty } = this.#parts;
    return topology.isSettled && (await isEmpty(dropped)) && topology.isSettled;
  }
}

function rangeOf(partition: Partition, { bucketType, bucket }: Dropped): KeyRange {
  return bucket === undefined
    ? bucketTypeRange(partition, bucketType)
    : bucketRange(partition, { bucketType, bucket });
}

function idOf({ history, revision, bucketType, bucket }: DropMark): string {
  return `${history} ${revision} ${bucketType}\0${bucket ?? ''}`;
}
