/**
 * An engine whose values that were read or written last are in memory. A put reads before it writes, and most of what is
 * read was read or written a while ago: an engine's own read costs several times the copy. Of what is only written, values
 * that are long take no room, nor what nobody reads by its key.
 *
 * What holds:
 * - The cache has only what the engine has, or had before a write that is in flight: it follows when the engine has
 *   said that the write is done. A key never goes back to an earlier value.
 * - While writes overlap nobody knows which of two on one key is the last: their keys leave the cache.
 * - A range delete takes its keys from the cache, and until it ends none of them is read from there or enters; nor does
 *   one of a write that was in flight beside it: nobody knows which of the two came first.
 * - A write or a range delete that failed empties it: what of it was done is not known. As long as the engine is failing (it
 *   may open an earlier state), nothing enters.
 * - Damage that a scan has met is not hidden: the key is read from the engine again. So is everything after a repair.
 */
import type { Buffer } from 'node:buffer';
import type { Tasks } from '../../environment/index.ts';
import type {
  Cursor,
  Durability,
  EngineGauge,
  KeyRange,
  ScanOptions,
  StorageEngine,
  StorageHealth,
  WriteBatch,
} from '../storage-engine.ts';
import { cacheBytesMin, ValueCache } from './value-cache.ts';

/** A longer value that is only written, such as a chunk of a large one, leaves what is read in its place. */
const writtenBytesMax = 4096;

/**
 * The engine itself if the cache would be too small to hold anything. `byteSize`: bytes of memory. `isReadByKey`: whether
 * an entry is one that is read by its key, and not only met by walks; all are, if absent.
 */
export function cachedEngine(
  engine: StorageEngine,
  byteSize: number,
  tasks: Pick<Tasks, 'endOfTurn'>,
  isReadByKey: (key: Buffer) => boolean = () => true,
): StorageEngine {
  return byteSize < cacheBytesMin ? engine : new CachedEngine(engine, byteSize, tasks, isReadByKey);
}

class CachedEngine implements StorageEngine {
  readonly name: string;
  readonly #engine: StorageEngine;
  readonly #cache: ValueCache;
  readonly #tasks: Pick<Tasks, 'endOfTurn'>;
  readonly #isReadByKey: (key: Buffer) => boolean;
  #writes = 0;
  #doWritesOverlap = false;
  readonly #deleting = new Set<KeyRange>();
  /** Those that are or were in flight beside a write that is. */
  readonly #deletedBeside = new Set<KeyRange>();
  /** The engine has failed, and is not known to be well again. */
  #isSuspended = false;
  #isClosed = false;
  #hits = 0;
  #misses = 0;

  constructor(
    engine: StorageEngine,
    byteSize: number,
    tasks: Pick<Tasks, 'endOfTurn'>,
    isReadByKey: (key: Buffer) => boolean,
  ) {
    this.name = engine.name;
    this.#engine = engine;
    this.#tasks = tasks;
    this.#isReadByKey = isReadByKey;
    this.#cache = new ValueCache(byteSize);
    engine.onDoubt?.(() => this.#cache.clear());
  }

  get health(): StorageHealth {
    return this.#engine.health;
  }

  get(key: Buffer): Buffer | undefined {
    const isDeleting = isInOneOf(this.#deleting, key);
    const cached = isDeleting ? undefined : this.#cache.get(key);
    if (cached !== undefined) {
      this.#hits += 1;
      return cached;
    }
    this.#misses += 1;
    const value = this.#engine.get(key);
    if (value !== undefined && !isDeleting && this.#mayEnter()) this.#cache.set(key, value);
    return value;
  }

  async write(batch: WriteBatch, durability: Durability): Promise<void> {
    this.#writes += 1;
    if (this.#writes > 1) this.#doWritesOverlap = true;
    for (const range of this.#deleting) this.#deletedBeside.add(range);
    let isDone = false;
    try {
      await this.#engine.write(batch, durability);
      isDone = true;
    } finally {
      if (isDone) this.#wrote(batch);
      else this.#suspend();
      this.#writes -= 1;
      if (this.#writes === 0) {
        this.#doWritesOverlap = false;
        this.#deletedBeside.clear();
      }
    }
  }

  scan(range: KeyRange, options: ScanOptions = {}): Cursor {
    const { corrupt } = options;
    if (corrupt === undefined) return this.#engine.scan(range, options);
    const uncache: NonNullable<ScanOptions['corrupt']> = (key, error) => {
      if (key === undefined) this.#cache.clear();
      else this.#cache.delete(key);
      corrupt(key, error);
    };
    return this.#engine.scan(range, { ...options, corrupt: uncache });
  }

  async deleteRange(asked: KeyRange): Promise<void> {
    // One of its own: a range may be deleted twice at once.
    const range = { ...asked };
    this.#deleting.add(range);
    if (this.#writes > 0) this.#deletedBeside.add(range);
    const forgotten = this.#forget(range);
    let isDone = false;
    try {
      await this.#engine.deleteRange(range);
      isDone = true;
    } finally {
      if (!isDone) this.#suspend();
      await forgotten;
      this.#deleting.delete(range);
    }
  }

  sizeEstimate(range: KeyRange): Promise<number> {
    return this.#engine.sizeEstimate(range);
  }

  copyTo(directory: string): Promise<void> {
    return this.#engine.copyTo(directory);
  }

  onDoubt(doubted: () => void): void {
    this.#engine.onDoubt?.(doubted);
  }

  gauges(): readonly EngineGauge[] {
    return [
      ...(this.#engine.gauges?.() ?? []),
      {
        name: 'value_cache_hits',
        help: 'Reads of one value that were answered from memory.',
        value: this.#hits,
      },
      {
        name: 'value_cache_misses',
        help: 'Reads of one value that the engine answered.',
        value: this.#misses,
      },
    ];
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#cache.clear();
    return this.#engine.close();
  }

  #mayEnter(): boolean {
    if (this.#isSuspended) this.#isSuspended = this.#engine.health.kind !== 'healthy';
    return !this.#isSuspended && !this.#isClosed;
  }

  /** Each step in a turn of its own: a large cache takes tens of milliseconds. */
  async #forget(range: KeyRange): Promise<void> {
    const steps = this.#cache.deleteRange(range);
    // What is put off while a turn ends would still be of that turn.
    while (steps.next().done !== true)
      await new Promise<void>((resolve) => queueMicrotask(() => this.#tasks.endOfTurn(resolve)));
  }

  #suspend(): void {
    this.#isSuspended = true;
    this.#cache.clear();
  }

  #wrote({ keys, values }: WriteBatch): void {
    const mayEnter = this.#mayEnter();
    for (let i = 0; i < keys.length; i += 1) {
      const key = keys[i]!;
      const value = values[i];
      const isDoubtful = this.#doWritesOverlap || isInOneOf(this.#deletedBeside, key);
      if (value === undefined || isDoubtful) this.#cache.delete(key);
      else if (mayEnter && value.length <= writtenBytesMax && this.#isReadByKey(key))
        this.#cache.set(key, value);
      else this.#cache.update(key, value);
    }
  }
}

function isInOneOf(ranges: ReadonlySet<KeyRange>, key: Buffer): boolean {
  if (ranges.size === 0) return false;
  for (const { from, to } of ranges) {
    if ((from === undefined || key.compare(from) >= 0) && (to === undefined || key.compare(to) < 0))
      return true;
  }
  return false;
}
