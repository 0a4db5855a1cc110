/**
 * A partition store in memory for tests. An object is a set of write ids, and merging is union: so nothing that was
 * written may ever be missing from what came of it. The disk outlives its node; what is queued does not.
 */
import { Buffer } from 'node:buffer';
import type { Environment } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import {
  type FoldOptions,
  type PartitionFold,
  type PartitionStore,
  PartitionStoreError,
} from './partition-store.ts';
import type { WriteGate } from './write-gate.ts';

export type Writes = ReadonlySet<string>;

export class MemoryDisk {
  readonly partitions = new Map<Partition, Map<string, Writes>>();
  /** Drops that have begun. */
  readonly dropping = new Set<Partition>();
  /** So many drops fail. */
  dropsRefused = 0;
  /** Keys that cannot be read. */
  readonly damaged = new Set<string>();
  /** Merges fail while it is set. */
  isFull = false;

  of(partition: Partition): Map<string, Writes> {
    let keys = this.partitions.get(partition);
    if (keys === undefined) {
      keys = new Map();
      this.partitions.set(partition, keys);
    }
    return keys;
  }
}

export interface MemoryPut {
  readonly key: string;
  readonly writes: Writes;
}

/** What a test breaks on purpose. */
export interface StoreFaults {
  /** The snapshot does not wait for what is queued. */
  readonly snapshotsEarly?: boolean;
  /** Whether a partition is empty does not wait for what is queued. */
  readonly looksEarly?: boolean;
  /** Answers at once and deletes later. */
  readonly dropsLate?: boolean;
  /** Forgets whatever is there now. */
  readonly forgetsBlindly?: boolean;
}

interface Queued {
  readonly partition: Partition;
  readonly key: string;
  /** Undefined: deleted. */
  readonly writes: Writes | undefined;
}

export class MemoryStore implements PartitionStore {
  readonly #environment: Pick<Environment, 'timers' | 'random' | 'tasks'>;
  readonly #disk: MemoryDisk;
  readonly #gate: WriteGate<MemoryPut>;
  readonly #faults: StoreFaults;
  #queue: Queued[] = [];
  #done: (() => void)[] = [];
  /** Snapshots taken. */
  folds = 0;

  constructor(
    environment: Pick<Environment, 'timers' | 'random' | 'tasks'>,
    disk: MemoryDisk,
    gate: WriteGate<MemoryPut>,
    faults: StoreFaults = {},
  ) {
    this.#environment = environment;
    this.#disk = disk;
    this.#gate = gate;
    this.#faults = faults;
    for (const partition of disk.dropping) disk.partitions.delete(partition);
    disk.dropping.clear();
  }

  /** As a vnode stores: merged with what is there, queued, passed through the gate; acknowledged when both agree. */
  put(partition: Partition, key: string, writes: Writes, done: (isStored: boolean) => void): void {
    const merged = new Set([...(this.#view(partition, key) ?? []), ...writes]);
    const isMoving = this.#gate.isMoving(partition);
    let waiting = isMoving ? 2 : 1;
    let mayCount = true;
    const settle = (): void => {
      waiting -= 1;
      if (waiting === 0) done(mayCount);
    };
    this.#write([{ partition, key, writes: merged }], settle);
    if (!isMoving) return;
    this.#gate.passed(partition, { key, writes: merged }, (passed) => {
      mayCount &&= passed;
      settle();
    });
  }

  async isEmpty(partition: Partition): Promise<boolean> {
    if (!this.#faults.looksEarly) await new Promise<void>((resolve) => this.#write([], resolve));
    await this.#pause(1);
    return this.#disk.of(partition).size === 0;
  }

  async approximateBytes(partition: Partition): Promise<number> {
    return this.#disk.of(partition).size * 100;
  }

  fold(partition: Partition, { sliceBytes }: FoldOptions): PartitionFold {
    this.folds += 1;
    const snapshot = this.#snapshot(partition);
    const perSlice = Math.max(1, Math.floor(sliceBytes / 100));
    let at = 0;
    let unreadable = 0;
    const disk = this.#disk;
    const pause = (): Promise<void> => this.#pause(3);
    return {
      get unreadable() {
        return unreadable;
      },
      async next() {
        const all = await snapshot;
        await pause();
        const slice = all.slice(at, at + perSlice);
        at += slice.length;
        if (slice.length === 0) return undefined;
        const readable = slice.filter(([key]) => !disk.damaged.has(key));
        unreadable += slice.length - readable.length;
        return readable.map(([key, writes]) => encodeItem(key, writes));
      },
      async close() {},
    };
  }

  async merge(partition: Partition, items: readonly Buffer[]): Promise<void> {
    if (this.#disk.isFull) throw new PartitionStoreError('full', 'no space');
    const results = items.map((item) => {
      const { key, writes } = decodeItem(item);
      return new Promise<boolean>((resolve) => this.put(partition, key, writes, resolve));
    });
    const areStored = await Promise.all(results);
    if (areStored.includes(false)) throw new PartitionStoreError('storage', 'the gate did not let it pass');
  }

  async forget(partition: Partition, items: readonly Buffer[]): Promise<void> {
    const gone: Queued[] = [];
    for (const item of items) {
      const { key, writes } = decodeItem(item);
      const present = this.#view(partition, key);
      if (present === undefined) continue;
      const isSame = encodeItem(key, present).equals(encodeItem(key, writes));
      if (isSame || this.#faults.forgetsBlindly) gone.push({ partition, key, writes: undefined });
    }
    await new Promise<void>((resolve) => this.#write(gone, resolve));
  }

  async drop(partition: Partition, isWanted: () => boolean): Promise<void> {
    const { timers } = this.#environment;
    if (this.#faults.dropsLate) {
      timers.after(400, () => this.#disk.partitions.delete(partition));
      return;
    }
    if (this.#disk.dropsRefused > 0) {
      this.#disk.dropsRefused -= 1;
      throw new PartitionStoreError('storage', 'the disk is sick');
    }
    await new Promise<void>((resolve) => this.#write([], resolve));
    if (!this.#disk.dropping.has(partition) && !isWanted()) return;
    this.#disk.dropping.add(partition);
    for (const key of [...this.#disk.of(partition).keys()]) {
      await this.#pause(0.5);
      this.#disk.of(partition).delete(key);
    }
    this.#disk.of(partition).clear();
    this.#disk.dropping.delete(partition);
  }

  async #snapshot(partition: Partition): Promise<[string, Writes][]> {
    if (!this.#faults.snapshotsEarly) await new Promise<void>((resolve) => this.#write([], resolve));
    return [...this.#disk.of(partition)];
  }

  #view(partition: Partition, key: string): Writes | undefined {
    for (let i = this.#queue.length - 1; i >= 0; i--) {
      const queued = this.#queue[i];
      if (queued.partition === partition && queued.key === key) return queued.writes;
    }
    return this.#disk.of(partition).get(key);
  }

  /** All that is queued becomes durable at once, a little later. */
  #write(writes: readonly Queued[], done: () => void): void {
    this.#queue.push(...writes);
    this.#done.push(done);
    if (this.#done.length > 1) return;
    const { timers, random } = this.#environment;
    timers.after(1 + 4 * random.fraction(), () => this.#commit());
  }

  #commit(): void {
    const queue = this.#queue;
    const done = this.#done;
    this.#queue = [];
    this.#done = [];
    for (const { partition, key, writes } of queue) {
      if (writes === undefined) this.#disk.of(partition).delete(key);
      else this.#disk.of(partition).set(key, writes);
    }
    for (const tell of done) tell();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#environment.timers.after(ms * this.#environment.random.fraction(), resolve);
    });
  }
}

export function encodeItem(key: string, writes: Writes): Buffer {
  return Buffer.from(JSON.stringify([key, ...[...writes].sort()]));
}

export function decodeItem(item: Buffer): MemoryPut {
  const [key, ...writes] = JSON.parse(item.toString()) as [string, ...string[]];
  return { key, writes: new Set(writes) };
}
