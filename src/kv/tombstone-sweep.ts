/**
 * Looks for tombstones that stayed behind: their deletes came while a node was away, a timer was lost with its process, too
 * many waited. Each is read at all its replicas, which lets it go where every one of them holds just that, and nobody is
 * away (C8).
 *
 * Tombstones are marked beside the objects, so that a look costs what is left of deletes and not what is stored. Of the
 * replicas of a key the first in the ring looks after it.
 */
import type { Buffer } from 'node:buffer';
import type { Partition } from '../core/ring/index.ts';
import type { Environment } from '../environment/index.ts';
import { type StorageEngine, StorageError } from '../storage/index.ts';
import { BackgroundTask } from './anti-entropy/index.ts';
import { type FirstReplicaParts, isFirstReplica } from './first-replica.ts';
import type { ObjectAddress } from './key-value-store.ts';
import type { KvObserver } from './kv-observer.ts';
import { ObjectKey, tombstonesRange } from './vnode/index.ts';

const sliceLimits = { entriesMax: 64, bytesMax: 256 * 1024 };

export const tombstoneSweepIntervalMsDefault = 600_000;
export const tombstoneSweepPerSecondMaxDefault = 1000;

/** Each absent: its default. */
export interface TombstoneSweepSettings {
  /** Milliseconds between two looks at all partitions of this node. */
  readonly tombstoneSweepIntervalMs?: number;
  /** Tombstones a second that are read. */
  readonly tombstoneSweepPerSecondMax?: number;
  /** Forgotten tombstones that are remembered. */
  readonly reapedMax?: number;
  /** Bytes of them, and of their keys. */
  readonly reapedBytesMax?: number;
}

export interface TombstoneSweepParts extends FirstReplicaParts {
  readonly environment: Pick<Environment, 'timers' | 'tasks' | 'random' | 'log'>;
  readonly engine: StorageEngine;
  /** There is too much to do for what is not urgent. */
  readonly isLoaded: () => boolean;
  /** What is forgotten now can be remembered for its time. */
  readonly hasRoom: () => boolean;
  readonly observer: KvObserver;
  /** Reads the key at all its replicas. */
  readonly readAll: (address: ObjectAddress) => void;
  readonly settings: TombstoneSweepSettings;
}

export class TombstoneSweep {
  readonly #parts: TombstoneSweepParts;
  readonly #task: BackgroundTask;
  readonly #intervalMs: number;
  readonly #perSecondMax: number;

  constructor(parts: TombstoneSweepParts) {
    this.#parts = parts;
    this.#task = new BackgroundTask('tombstone-sweep', parts.environment);
    const { settings } = parts;
    this.#intervalMs = settings.tombstoneSweepIntervalMs ?? tombstoneSweepIntervalMsDefault;
    this.#perSecondMax = settings.tombstoneSweepPerSecondMax ?? tombstoneSweepPerSecondMaxDefault;
  }

  /** Once; not at all where tombstones are kept. */
  start(): void {
    const { random } = this.#parts.environment;
    this.#task.start(async () => {
      // Nodes that were started together do not look together.
      await this.#task.pause.for(this.#intervalMs * (0.5 + random.fraction() / 2));
      while (!this.#task.pause.isClosed) {
        await this.#lookAround();
        await this.#task.pause.for(this.#intervalMs);
      }
    });
  }

  close(): Promise<void> {
    return this.#task.close();
  }

  async #lookAround(): Promise<void> {
    const { topology, environment } = this.#parts;
    for (const partition of topology.ring.partitionsOf(topology.self)) {
      if (!this.#mayForget()) return;
      try {
        await this.#lookInto(partition);
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        environment.log.warn('a partition could not be searched for tombstones; it is tried again', {
          partition,
          reason: error.message,
        });
      }
    }
  }

  /** While a node is away, or this one has much to do or to remember, tombstones wait. */
  #mayForget(): boolean {
    const { topology, isLoaded, hasRoom } = this.#parts;
    return !this.#task.pause.isClosed && topology.isSettled && !isLoaded() && hasRoom();
  }

  async #lookInto(partition: Partition): Promise<void> {
    const cursor = this.#parts.engine.scan(tombstonesRange(partition), { keysOnly: true });
    try {
      for (;;) {
        const marks = await cursor.next(sliceLimits);
        if (marks.length === 0 || !this.#mayForget()) return;
        let read = 0;
        for (const { key } of marks) if (this.#read(partition, key)) read += 1;
        await this.#task.pause.for((read / this.#perSecondMax) * 1000);
        if (this.#task.pause.isClosed) return;
      }
    } finally {
      await cursor.close();
    }
  }

  /** False: it is another partition's to look after. */
  #read(partition: Partition, mark: Buffer): boolean {
    const key = ObjectKey.ofMark(mark);
    if (key === undefined || !isFirstReplica(partition, key.address, this.#parts)) return false;
    this.#parts.readAll(key.address);
    this.#parts.observer.tombstoneLookedAt?.();
    return true;
  }
}
