/**
 * One engine made of several: each bucket's entries are in the backend that was chosen for it, and the node's own
 * records in the default one, which is *home*. Above it nobody knows: one ordered keyspace, whatever moves below.
 *
 * What holds:
 * - B1  The entries of one object (itself, its index entries, marks, feed entries) are of one bucket, so in one backend,
 *       and one batch of that backend writes them. What touches several backends is written to all, each part as durable
 *       as asked, before the batch is acknowledged; a crash may keep some of the parts of a batch that was not. If one
 *       backend fails, its part fails alone (`PartlyWritten`).
 * - B2  What relies on something is durable after it (`ordered-writes.ts`).
 * - B3  All copies of a key have one value; but for a moment, there is one copy.
 * - B4  A key of a bucket that moves is read from its place, or else from wherever it is. A batch that changes keys which
 *       are elsewhere is one intent at home first, durably; it is gone through again after a crash. So it happens whole.
 * - B5  What has ceased to move is in its place and nowhere else.
 */
import type { Buffer } from 'node:buffer';
import type { Tasks } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import {
  type Cursor,
  type Durability,
  type EngineGauge,
  type KeyRange,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  type StorageHealth,
  WriteBatch,
} from '../storage-engine.ts';
import type { Backend } from './backend.ts';
import { encodeBatch } from './batch-record.ts';
import { endOfAll } from './end-of-all.ts';
import type { KeyPlaces } from './key-places.ts';
import { MergedCursor } from './merged-cursor.ts';
import { type BackendWrites, OrderedWrites } from './ordered-writes.ts';
import { type BackendRules, home, type Placements } from './placements.ts';
import { type KeyPlan, PlannedBatch, partOf } from './planned-batch.ts';
import { Turns } from './turns.ts';

export const placementsRecord = 'backends/placements';
export const intentRecord = 'backends/intent';
const barrierRecord = 'backends/barrier';

export interface MultiEngineParts {
  /** The default first. */
  readonly backends: readonly Backend[];
  readonly places: KeyPlaces;
  readonly placements: Placements;
  /** What is to be gone through again, if that was cut short. */
  readonly intent?: WriteBatch;
  readonly tasks: Tasks;
}

/** What moving a few entries came to. `busy`: not now, since a range is being deleted. */
export type MoveOutcome = MovedEntries | 'busy';

export interface MovedEntries {
  /** Of the keys that were given, from the first on. */
  readonly seen: number;
  /** Damaged: they stay where they are until somebody writes them anew. */
  readonly unreadable: number;
}

export class MultiEngine implements StorageEngine {
  readonly name = 'multi';
  readonly backends: readonly Backend[];
  readonly #places: KeyPlaces;
  readonly #tasks: Tasks;
  readonly #home: Backend;
  readonly #byName: ReadonlyMap<string, Backend>;
  readonly #turns = new Turns();
  readonly #writes: OrderedWrites;
  #placements: Placements;
  /** An intent of which some may not have been written yet. */
  #unfinished: WriteBatch | undefined;
  #intentIsStored = false;
  #rangeDeletions = 0;
  #moved = 0;
  #closing: Promise<void> | undefined;

  constructor({ backends, places, placements, intent, tasks }: MultiEngineParts) {
    const [first] = backends;
    assert(first !== undefined && !first.isVolatile, 'the default backend keeps what it is given');
    this.#home = first;
    this.backends = backends;
    this.#byName = new Map(backends.map((backend) => [backend === first ? home : backend.name, backend]));
    this.#places = places;
    this.#placements = placements;
    this.#unfinished = intent;
    this.#intentIsStored = intent !== undefined;
    this.#tasks = tasks;
    this.#writes = new OrderedWrites(first, places.recordKey(barrierRecord));
  }

  get placements(): Placements {
    return this.#placements;
  }

  /** Failing, if one of the backends is. */
  get health(): StorageHealth {
    for (const { engine } of this.backends) if (engine.health.kind === 'failing') return engine.health;
    return this.#home.engine.health;
  }

  get(key: Buffer): Buffer | undefined {
    this.#assertOpen();
    const bucket = this.#placements.isPlain ? undefined : this.#places.bucketOf(key);
    if (bucket === undefined) return this.#home.engine.get(key);
    const { backend, isMoving } = this.#placements.of(bucket);
    const place = this.#backend(backend);
    const value = place.engine.get(key);
    return value === undefined && isMoving ? this.#elsewhere(key, place) : value;
  }

  async write(batch: WriteBatch, durability: Durability): Promise<void> {
    this.#assertOpen();
    if (this.#turns.areFree && !this.#intentIsStored) {
      if (this.#placements.isPlain) {
        await this.#turns.share(() => this.#writes.toHome(batch, durability));
        return;
      }
      const plan = this.#plan(batch);
      if (!plan.hasMoving && !this.#writes.needsOrder(plan, durability)) {
        await this.#turns.share(() => this.#writes.atOnce(plan, durability));
        return;
      }
    }
    await this.#turns.exclusively(async () => {
      this.#assertOpen();
      await this.#finish();
      const plan = this.#plan(batch);
      if (plan.hasMoving && this.#changesElsewhere(batch)) await this.#writeByIntent(batch);
      else await this.#writes.inOrder(plan, durability);
    });
  }

  scan(range: KeyRange, options: ScanOptions = {}): Cursor {
    this.#assertOpen();
    const single = this.#onlyBackendOf(range);
    if (single !== undefined) return single.engine.scan(range, options);
    const cursors: Cursor[] = [];
    try {
      for (const backend of this.backends) {
        cursors.push(backend.engine.scan(this.#rangeWithin(backend, range), options));
      }
    } catch (failure) {
      for (const cursor of cursors) this.#tasks.spawn('storage-backends', () => cursor.close());
      throw failure;
    }
    return new MergedCursor(cursors, options, (i, key) => !this.isAstray(this.backends[i]!, key));
  }

  /** Not while a batch or the mover is between two backends: neither may bring back what is deleted here. */
  async deleteRange(range: KeyRange): Promise<void> {
    this.#assertOpen();
    this.#rangeDeletions += 1;
    try {
      await this.#turns.exclusively(async () => {
        await this.#finish();
      });
      await endOfAll(this.backends, (backend) =>
        backend.engine.deleteRange(this.#rangeWithin(backend, range)),
      );
    } finally {
      this.#rangeDeletions -= 1;
    }
  }

  async sizeEstimate(range: KeyRange): Promise<number> {
    this.#assertOpen();
    const sizes = await Promise.all(
      this.backends.map((backend) => backend.engine.sizeEstimate(this.#rangeWithin(backend, range))),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  /** Each backend's beside the default's: `DIRECTORY-NAME`. Writes wait until all are made, so that they agree. */
  async copyTo(directory: string): Promise<void> {
    this.#assertOpen();
    const fleeting = this.backends.find(
      ({ name, isVolatile }) => isVolatile && this.#placements.used.has(name),
    );
    if (fleeting !== undefined) {
      throw new StorageError(
        'unsupported',
        `the backend "${fleeting.name}" has nothing to copy to a directory`,
      );
    }
    await this.#turns.exclusively(async () => {
      await this.#finish();
      await endOfAll(
        this.backends.filter(({ isVolatile }) => !isVolatile),
        (backend) =>
          backend.engine.copyTo(backend === this.#home ? directory : `${directory}-${backend.name}`),
      );
    });
  }

  onDoubt(doubted: () => void): void {
    for (const { engine } of this.backends) engine.onDoubt?.(doubted);
  }

  /** Of backends of one kind, the sums. */
  gauges(): readonly EngineGauge[] {
    const sums = new Map<string, EngineGauge>();
    for (const gauge of this.backends.flatMap(({ engine }) => engine.gauges?.() ?? [])) {
      const value = (sums.get(gauge.name)?.value ?? 0) + gauge.value;
      sums.set(gauge.name, { ...gauge, value });
    }
    return [...sums.values()];
  }

  /** Entries that `move` has brought to their places since the start. */
  get moved(): number {
    return this.#moved;
  }

  /** What was written to a backend since the start. */
  writtenTo(backend: Backend): BackendWrites {
    return this.#writes.writtenTo(backend);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** What a crash cut short is done before anybody reads. */
  async finishIntent(): Promise<void> {
    await this.#turns.exclusively(() => this.#finish());
  }

  /** Whether a backend that holds the key is not where it has its place. */
  isAstray(backend: Backend, key: Buffer): boolean {
    return this.#placeOf(key) !== backend;
  }

  /** Makes other rules hold. Resolves once that is durable; what they change moves from then on. */
  async place(rules: BackendRules): Promise<void> {
    this.#assertOpen();
    await this.#turns.exclusively(async () => {
      await this.#finish();
      const changed = this.#placements.changedTo(rules);
      await this.#storePlacements(changed);
      this.#placements = changed;
    });
  }

  /**
   * Brings entries that a backend holds to where their place is. Values of more than `bytesMax` are left for the next
   * call. Rejects with `StorageError`; then some have moved.
   */
  async move(from: Backend, keys: readonly Buffer[], bytesMax: number): Promise<MoveOutcome> {
    this.#assertOpen();
    return this.#turns.exclusively(async () => {
      if (this.#rangeDeletions > 0) return 'busy';
      await this.#finish();
      const moves = this.#movesFrom(from, keys, bytesMax);
      await endOfAll([...moves.puts], ([backend, batch]) => this.#writes.to(backend, batch, 'synced'));
      await this.#writes.to(from, moves.deletions, 'synced');
      this.#moved += moves.deletions.length;
      return { seen: moves.seen, unreadable: moves.unreadable };
    });
  }

  /** Everything of what moves has been looked through since `seen` held, and is in its place. False: that changed. */
  async settle(seen: Placements): Promise<boolean> {
    this.#assertOpen();
    return this.#turns.exclusively(async () => {
      if (this.#placements !== seen) return false;
      await this.#finish();
      const settled = seen.settled();
      await this.#storePlacements(settled);
      this.#placements = settled;
      return true;
    });
  }

  /** The range of a backend's entries that can be of buckets, or all of it for the default one. */
  #rangeWithin(backend: Backend, range: KeyRange): KeyRange {
    if (backend === this.#home) return range;
    const { from, to } = this.#places.bucketEntries;
    return {
      from: range.from === undefined || range.from.compare(from) < 0 ? from : range.from,
      to: range.to === undefined || range.to.compare(to) > 0 ? to : range.to,
    };
  }

  #onlyBackendOf(range: KeyRange): Backend | undefined {
    const { from, to } = this.#places.bucketEntries;
    if (this.#placements.isPlain) return this.#home;
    if (range.to !== undefined && range.to.compare(from) <= 0) return this.#home;
    if (range.from !== undefined && range.from.compare(to) >= 0) return this.#home;
    const bucket = this.#places.bucketOfRange(range);
    if (bucket === undefined) return undefined;
    const { backend, isMoving } = this.#placements.of(bucket);
    return isMoving ? undefined : this.#backend(backend);
  }

  #placeOf(key: Buffer): Backend {
    const bucket = this.#places.bucketOf(key);
    return bucket === undefined ? this.#home : this.#backend(this.#placements.of(bucket).backend);
  }

  #elsewhere(key: Buffer, place: Backend): Buffer | undefined {
    for (const other of this.backends) {
      if (other === place) continue;
      const value = other.engine.get(key);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  #plan(batch: WriteBatch): PlannedBatch<Backend> {
    return PlannedBatch.of(batch, (key): KeyPlan<Backend> => {
      const bucket = this.#places.bucketOf(key);
      if (bucket === undefined) return { backend: this.#home, isMoving: false, isRecord: true };
      const { backend, isMoving } = this.#placements.of(bucket);
      return { backend: this.#backend(backend), isMoving, isRecord: false };
    });
  }

  /** Whether a backend that is not a key's place holds the key. */
  #changesElsewhere(batch: WriteBatch): boolean {
    return batch.keys.some((key) => this.#strayHolders(key).length > 0);
  }

  #strayHolders(key: Buffer): readonly Backend[] {
    const bucket = this.#places.bucketOf(key);
    if (bucket === undefined) return [];
    const { backend, isMoving } = this.#placements.of(bucket);
    if (!isMoving) return [];
    const place = this.#backend(backend);
    return this.backends.filter((other) => other !== place && holds(other.engine, key));
  }

  /** B4. */
  async #writeByIntent(batch: WriteBatch): Promise<void> {
    const intent = new WriteBatch();
    intent.put(this.#places.recordKey(intentRecord), encodeBatch(batch));
    // If that fails, it may be there after a crash nevertheless.
    this.#intentIsStored = true;
    await this.#writes.sync(this.#home, intent);
    this.#unfinished = batch;
    await this.#finish();
  }

  /**
   * Goes through the intent, if there is one: the same whether all, some or nothing of it was done before. Then it goes,
   * before anything else is written: gone through again after that, it would undo it.
   */
  async #finish(): Promise<void> {
    if (!this.#intentIsStored) return;
    if (this.#unfinished !== undefined) await this.#goThrough(this.#unfinished);
    this.#unfinished = undefined;
    const batch = new WriteBatch();
    batch.delete(this.#places.recordKey(intentRecord));
    await this.#writes.sync(this.#home, batch);
    this.#intentIsStored = false;
  }

  async #goThrough(batch: WriteBatch): Promise<void> {
    await endOfAll([...this.#plan(batch).parts], ([backend, part]) => this.#writes.sync(backend, part));
    const deletions = new Map<Backend, WriteBatch>();
    for (const key of batch.keys) {
      for (const holder of this.#strayHolders(key)) partOf(deletions, holder).delete(key);
    }
    await endOfAll([...deletions], ([backend, part]) => this.#writes.sync(backend, part));
  }

  async #storePlacements(placements: Placements): Promise<void> {
    const batch = new WriteBatch();
    const record = placements.encode((name) => this.#backend(name).engine.name);
    batch.put(this.#places.recordKey(placementsRecord), record);
    await this.#writes.sync(this.#home, batch);
  }

  #movesFrom(from: Backend, keys: readonly Buffer[], bytesMax: number) {
    const puts = new Map<Backend, WriteBatch>();
    const deletions = new WriteBatch();
    let unreadable = 0;
    let bytes = 0;
    let seen = 0;
    for (const key of keys) {
      seen += 1;
      const place = this.#placeOf(key);
      if (place === from) continue;
      const value = readable(from.engine, key);
      if (value === undefined) continue;
      if (value === 'damaged') {
        unreadable += 1;
        continue;
      }
      if (bytes > 0 && bytes + value.length > bytesMax) {
        seen -= 1;
        break;
      }
      bytes += value.length;
      if (!holds(place.engine, key)) partOf(puts, place).put(key, value);
      deletions.delete(key);
    }
    return { puts, deletions, seen, unreadable };
  }

  #backend(name: string): Backend {
    const backend = this.#byName.get(name);
    assert(backend !== undefined, 'a place is one of the backends');
    return backend;
  }

  async #close(): Promise<void> {
    // What waits for its turn is refused; what has it ends first.
    await this.#turns.exclusively(async () => {
      const failures = await Promise.allSettled(this.backends.map(({ engine }) => engine.close()));
      for (const failure of failures) if (failure.status === 'rejected') throw failure.reason;
    });
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new StorageError('closed', 'the storage engine is closed');
  }
}

function holds(engine: StorageEngine, key: Buffer): boolean {
  return readable(engine, key) !== undefined;
}

function readable(engine: StorageEngine, key: Buffer): Buffer | 'damaged' | undefined {
  try {
    return engine.get(key);
  } catch (error) {
    if (error instanceof StorageError && error.code === 'corrupt') return 'damaged';
    throw error;
  }
}
