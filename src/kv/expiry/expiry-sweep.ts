/**
 * Looks for objects that have expired, and has them forgotten as tombstones are: by a read of all replicas, which lets
 * them go where every one of them holds just that, and nobody is away (C8). Until then they take room and are not shown.
 *
 * A partition is looked through only if something of it has expired; its expiries stand in their order, so that the look
 * costs what has expired and not what is stored. Of the replicas of a key the first in the ring looks after it.
 */
import type { Partition } from '../../core/ring/index.ts';
import type { Environment } from '../../environment/index.ts';
import { type StorageEngine, StorageError } from '../../storage/index.ts';
import { BackgroundTask } from '../anti-entropy/index.ts';
import { type FirstReplicaParts, isFirstReplica } from '../first-replica.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import {
  type ExpiryTimes,
  expiryMarginMsDefault,
  expiryRange,
  ObjectKey,
  readExpiry,
} from '../vnode/index.ts';

const sliceLimits = { entriesMax: 64, bytesMax: 256 * 1024 };
const firstOnly = { entriesMax: 1, bytesMax: 1 };
const microsPerMs = 1000;

export const expirySweepIntervalMsDefault = 10_000;
export const expirySweepPerSecondMaxDefault = 1000;

/** Each absent: its default. */
export interface ExpirySweepSettings {
  /** Milliseconds by which clocks may differ: what has expired is left alone for as long. */
  readonly expiryMarginMs?: number;
  /** Milliseconds between two looks at a partition. */
  readonly expirySweepIntervalMs?: number;
  /** Objects a second that are forgotten. */
  readonly expirySweepPerSecondMax?: number;
}

export interface ExpirySweepParts extends FirstReplicaParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'log'>;
  readonly engine: StorageEngine;
  readonly times: ExpiryTimes;
  /** There is too much to do for what is not urgent. */
  readonly isLoaded: () => boolean;
  /** Reads the key at all its replicas. */
  readonly readAll: (address: ObjectAddress) => void;
  readonly settings: ExpirySweepSettings;
}

export class ExpirySweep {
  readonly #parts: ExpirySweepParts;
  readonly #task: BackgroundTask;
  readonly #marginMs: number;
  readonly #intervalMs: number;
  readonly #perSecondMax: number;

  constructor(parts: ExpirySweepParts) {
    this.#parts = parts;
    this.#task = new BackgroundTask('expiry-sweep', parts.environment);
    const { settings } = parts;
    this.#marginMs = settings.expiryMarginMs ?? expiryMarginMsDefault;
    this.#intervalMs = settings.expirySweepIntervalMs ?? expirySweepIntervalMsDefault;
    this.#perSecondMax = settings.expirySweepPerSecondMax ?? expirySweepPerSecondMaxDefault;
  }

  /** Once. Nothing runs before an object that expires is stored. */
  start(): void {
    const { times } = this.#parts;
    if (times.isUsed) this.#begin();
    else times.onUsed(() => this.#begin());
  }

  close(): Promise<void> {
    return this.#task.close();
  }

  #begin(): void {
    this.#task.start(async () => {
      while (!this.#task.pause.isClosed) {
        await this.#lookAround();
        await this.#task.pause.for(this.#intervalMs);
      }
    });
  }

  async #lookAround(): Promise<void> {
    const { topology, times } = this.#parts;
    for (const partition of topology.ring.partitionsOf(topology.self)) {
      if (this.#task.pause.isClosed) return;
      if (times.hasExpired(partition, this.#expiredBy())) await this.#lookInto(partition);
    }
  }

  /** Microseconds since the Unix epoch: what expired by then has done so by every clock. */
  #expiredBy(): number {
    return this.#parts.environment.clock.wallMicros() - this.#marginMs * microsPerMs;
  }

  async #lookInto(partition: Partition): Promise<void> {
    const { times, environment } = this.#parts;
    times.beginLook(partition);
    try {
      if (this.#mayForget()) await this.#forgetExpired(partition);
      times.endLook(partition, await this.#earliest(partition));
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      environment.log.warn('a partition could not be searched for what has expired; it is tried again', {
        partition,
        reason: error.message,
      });
    }
  }

  /** While a node is away, or has much to do, all that expires waits. */
  #mayForget(): boolean {
    return this.#parts.topology.isSettled && !this.#parts.isLoaded();
  }

  async #forgetExpired(partition: Partition): Promise<void> {
    const cursor = this.#parts.engine.scan(expiryRange(partition, this.#expiredBy()), { keysOnly: true });
    try {
      for (;;) {
        const entries = await cursor.next(sliceLimits);
        if (entries.length === 0 || !this.#mayForget()) return;
        let forgotten = 0;
        for (const { key } of entries) if (this.#forget(partition, key)) forgotten += 1;
        await this.#task.pause.for((forgotten / this.#perSecondMax) * 1000);
        if (this.#task.pause.isClosed) return;
      }
    } finally {
      await cursor.close();
    }
  }

  /** False: it is another partition's to look after. */
  #forget(partition: Partition, entry: Buffer): boolean {
    const key = ObjectKey.decode(entry, readExpiry(entry).nameStart, entry.length);
    if (key === undefined || !isFirstReplica(partition, key.address, this.#parts)) return false;
    this.#parts.readAll(key.address);
    return true;
  }

  async #earliest(partition: Partition): Promise<number | undefined> {
    const cursor = this.#parts.engine.scan(expiryRange(partition), { keysOnly: true });
    try {
      const [first] = await cursor.next(firstOnly);
      return first === undefined ? undefined : readExpiry(first.key).micros;
    } finally {
      await cursor.close();
    }
  }
}
