/**
 * The default engine: LevelDB by the package `classic-level`.
 *
 * What it adds to LevelDB:
 * - Every value is sealed with a checksum over key and value; a rotten one is reported by key, never served.
 * - After a write failed, LevelDB's log may end in a partial record, behind which later records would be
 *   lost at the next start, though it may go on accepting them. So the first failed write closes the door:
 *   the engine is `failing`, refuses writes at once, serves reads, and when `probe` says that the disk
 *   takes bytes again it closes and opens the database (which starts a new log) and is healthy.
 * - A write that fails because a compaction has met a damaged block fails again after the database was
 *   opened again: then, and when the database cannot be opened, it is repaired (level-repair.ts). Who relies on
 *   what was stored is told (`onDoubt`) before the engine is healthy.
 * - A format marker.
 *
 * Limits, which are LevelDB's or its binding's:
 * - While it closes and opens after a failure (a few to some hundred milliseconds) reads fail with 'io',
 *   and cursors opened before it are lost: their `next` rejects.
 * - The directory must be locked by the caller, too: LevelDB's own lock does not withstand a second open in
 *   the same process, which fails but drops the first one's lock.
 * - Damage to a block's keys can hide a key: it reads as missing. Anti-entropy finds that; a checksum of
 *   values cannot. Damage inside the log is skipped by LevelDB's recovery without telling.
 * - One compaction thread, no range delete: `deleteRange` walks the keys; space returns with compaction.
 * - The size estimate counts sorted files, not the newest writes that are still in the log.
 * - 'os' writes are lost in a power cut perhaps out of order: LevelDB changes log files without a sync.
 */
import { Buffer } from 'node:buffer';
import type { Environment, Log } from '../../environment/index.ts';
import { assert, SlotTable } from '../../stdx/index.ts';
import { corruptEntry } from '../corrupt-entry.ts';
import { Recovery } from '../recovery.ts';
import {
  type Cursor,
  type Durability,
  type KeyRange,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  type StorageHealth,
  type WriteBatch,
} from '../storage-engine.ts';
import { LevelCursor, type LevelRange } from './level-cursor.ts';
import {
  LEVEL_TUNING,
  type LevelDatabase,
  type LevelTuning,
  type NativeBatch,
  type OpenLevelDatabase,
  openLevelDatabase,
  repairLevelDatabase,
} from './level-database.ts';
import { storageErrorOf } from './level-error.ts';
import { checkMarker, isReserved, RESERVED_FROM, writeMarker } from './level-format.ts';
import { type RepairLevelDatabase, repairDatabase } from './level-repair.ts';
import type { RepairMark } from './repair-mark.ts';
import { unseal, ValueSealer } from './sealed-value.ts';
import { SharedSnapshots } from './shared-snapshot.ts';

/** Native batches kept for the next write; a bigger one than this is not kept. */
const SPARE_BATCHES_MAX = 2;
const SPARE_BATCH_BYTES_MAX = 4 * 1024 * 1024;

/** Entries and bytes that a range delete or a copy reads at a time: about a millisecond of the event loop. */
const SLICE_ENTRIES_MAX = 512;
const SLICE_BYTES_MAX = 256 * 1024;
/** Slices that a range delete writes together: each sync is one that others wait for. */
const DELETE_SLICES_MAX = 8;

/** So often the database is opened again in the hope that damage was only misread. */
const REOPENINGS_BEFORE_REPAIR = 1;

export interface LevelEngineOptions {
  /** A path for the operating system; its parent must exist. The caller holds a lock of its own on it. */
  readonly directory: string;
  /** False: a directory without a database is an error. Default true. */
  readonly createIfMissing?: boolean;
  readonly tuning?: Partial<LevelTuning>;
  /** Resolves if the disk takes bytes: writes and syncs a file, a few megabytes so that opening will fit. */
  readonly probe?: () => Promise<void>;
  /** Marks damaged blocks for what they are, before a repair reads them (damaged-tables.ts). */
  readonly markDamage?: () => Promise<unknown>;
  /** Repair it before it is opened. Default false. */
  readonly isDamaged?: boolean;
  /** After a repair, which may bring back what an entry was before, these are empty. */
  readonly emptiedByRepair?: readonly KeyRange[];
  /** Where it is kept that a repair has begun; without it, one that a crash cuts short is forgotten. */
  readonly repairMark?: RepairMark;
  readonly log?: Log;
  /** Tests put failures under the engine here. */
  readonly open?: OpenLevelDatabase;
  readonly repair?: RepairLevelDatabase;
}

/** Rejects with `StorageError`: 'locked', 'format', 'corrupt', 'full', 'io'. */
export async function openLevelEngine(
  options: LevelEngineOptions,
  environment: Pick<Environment, 'timers' | 'tasks'>,
): Promise<StorageEngine> {
  const open = opener(options);
  if (options.isDamaged === true || (await hasUnfinishedRepair(options))) await repaired(options);
  const database = await open().catch(async (error: unknown) => {
    if (!(error instanceof StorageError && error.code === 'corrupt')) throw error;
    await repaired(options);
    return await open();
  });
  return new LevelEngine(database, open, options, environment);
}

async function hasUnfinishedRepair({ repairMark, directory }: LevelEngineOptions): Promise<boolean> {
  try {
    return (await repairMark?.isSet()) === true;
  } catch (cause) {
    throw storageErrorOf(cause, `opening ${directory}`);
  }
}

async function repaired(options: LevelEngineOptions): Promise<void> {
  const {
    directory,
    open = openLevelDatabase,
    repair = repairLevelDatabase,
    repairMark: mark,
    log,
  } = options;
  const tuning = { ...LEVEL_TUNING, ...options.tuning };
  const emptied = (options.emptiedByRepair ?? []).map(boundedRange);
  await options.markDamage?.();
  await repairDatabase({ directory, tuning, open, repair, emptied, mark, log });
}

function opener(options: LevelEngineOptions): () => Promise<LevelDatabase> {
  const { directory, open = openLevelDatabase, createIfMissing = true } = options;
  const tuning = { ...LEVEL_TUNING, ...options.tuning };
  return async () => {
    const database = await open(directory, tuning, { createIfMissing, errorIfExists: false }).catch(
      (cause) => {
        throw storageErrorOf(cause, `opening ${directory}`);
      },
    );
    try {
      await checkMarker(database, directory);
      return database;
    } catch (cause) {
      await database.close();
      throw storageErrorOf(cause, `opening ${directory}`);
    }
  };
}

class LevelEngine implements StorageEngine {
  readonly name = 'leveldb';
  readonly #options: LevelEngineOptions;
  readonly #open: () => Promise<LevelDatabase>;
  readonly #recovery: Recovery;
  readonly #sealer = new ValueSealer();
  /** Undefined while closed, or while it is opened again. */
  #database: LevelDatabase | undefined;
  #snapshots: SharedSnapshots;
  #failure: StorageError | undefined;
  #closing = false;
  /** How often damage was met since the last repair. */
  #damages = 0;
  /** It was repaired, and that has not been told yet. */
  #isDoubtful = false;
  readonly #doubted: (() => void)[] = [];
  #spares: NativeBatch[] = [];
  /** What uses the database and must have ended before it is closed. */
  readonly #using = new SlotTable<Promise<unknown>>();

  constructor(
    database: LevelDatabase,
    open: () => Promise<LevelDatabase>,
    options: LevelEngineOptions,
    environment: Pick<Environment, 'timers' | 'tasks'>,
  ) {
    this.#database = database;
    this.#snapshots = new SharedSnapshots(database);
    this.#open = open;
    this.#options = options;
    this.#recovery = new Recovery(environment, 'storage-recovery', () => this.#recover());
  }

  get health(): StorageHealth {
    return this.#failure === undefined ? { kind: 'healthy' } : { kind: 'failing', error: this.#failure };
  }

  get(key: Buffer): Buffer | undefined {
    const database = this.#database ?? this.#unreadable();
    let sealed: Buffer | undefined;
    try {
      sealed = database.getSync(key);
    } catch (cause) {
      throw storageErrorOf(cause, 'reading');
    }
    if (sealed === undefined) return undefined;
    const value = unseal(key, sealed);
    if (value === undefined) throw corruptEntry(key);
    return value;
  }

  async write(batch: WriteBatch, durability: Durability): Promise<void> {
    const database = this.#writable();
    if (batch.length === 0) return;
    const native = this.#spares.pop() ?? database.nativeBatch();
    this.#fill(native, batch);
    await this.#use(this.#commit(native, durability, batch.byteLength));
  }

  scan(range: KeyRange, options: ScanOptions = {}): Cursor {
    const database = this.#database ?? this.#unreadable();
    return new LevelCursor(database, this.#snapshots.take(), boundedRange(range), options, () => {
      if (this.#database === database) return undefined;
      if (this.#closing) return closedError();
      return new StorageError('io', 'the snapshot was lost when storage recovered from a failure');
    });
  }

  async deleteRange(range: KeyRange): Promise<void> {
    await this.#use(this.#deleteRange(boundedRange(range)));
  }

  async sizeEstimate(range: KeyRange): Promise<number> {
    const database = this.#database ?? this.#unreadable();
    const { from = Buffer.alloc(0), to } = boundedRange(range);
    try {
      return await this.#use(database.approximateSize(from, to));
    } catch (cause) {
      throw storageErrorOf(cause, 'estimating a size');
    }
  }

  async copyTo(directory: string): Promise<void> {
    await this.#use(this.#copyTo(this.#database ?? this.#unreadable(), directory));
  }

  onDoubt(doubted: () => void): void {
    this.#doubted.push(doubted);
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    await this.#recovery.stop();
    await this.#closeDatabase();
  }

  #fill(native: NativeBatch, batch: WriteBatch): void {
    for (let i = 0; i < batch.keys.length; i++) {
      const key = batch.keys[i]!;
      const value = batch.values[i];
      assert(!isReserved(key), 'keys from eight 0xff bytes on are reserved');
      if (value === undefined) native._del(key);
      else native._put(key, this.#sealer.seal(key, value));
    }
  }

  async #commit(native: NativeBatch, durability: Durability, byteLength: number): Promise<void> {
    try {
      await native._write({ sync: durability === 'synced' });
    } catch (cause) {
      throw this.#fail(storageErrorOf(cause, 'writing'));
    } finally {
      this.#snapshots.changed();
    }
    // A write that was in flight beside a failed one may lie behind its partial record.
    if (this.#failure !== undefined) throw this.#failure;
    if (byteLength <= SPARE_BATCH_BYTES_MAX && this.#spares.length < SPARE_BATCHES_MAX) {
      native._clear();
      this.#spares.push(native);
    } else {
      await native.close();
    }
  }

  async #deleteRange(range: LevelRange): Promise<void> {
    const database = this.#writable();
    const snapshot = database.snapshot();
    const iterator = database.iterator({ ...sliceOptions(range), values: false, snapshot });
    try {
      for (;;) {
        let slice = await iterator.nextv(SLICE_ENTRIES_MAX);
        if (slice.length === 0) return;
        const native = this.#writable().nativeBatch();
        for (let slices = 1; ; slices += 1) {
          for (const [key] of slice) native._del(key);
          if (slices === DELETE_SLICES_MAX || slice.length === 0) break;
          slice = await iterator.nextv(SLICE_ENTRIES_MAX);
        }
        // Each batch is synced: a sync of the last one says nothing of a log file that was full before.
        await this.#commit(native, 'synced', Number.POSITIVE_INFINITY);
      }
    } catch (cause) {
      throw storageErrorOf(cause, 'deleting a range');
    } finally {
      await iterator.close();
      await snapshot.close();
    }
  }

  /** Values are copied as they are stored, damaged ones too: the copy reports them when they are read. */
  async #copyTo(database: LevelDatabase, directory: string): Promise<void> {
    const snapshot = database.snapshot();
    const { open = openLevelDatabase } = this.#options;
    const tuning = { ...LEVEL_TUNING, ...this.#options.tuning };
    let copy: LevelDatabase | undefined;
    try {
      copy = await open(directory, tuning, { createIfMissing: true, errorIfExists: true });
      const range = { ...sliceOptions({ to: RESERVED_FROM }), values: true, snapshot };
      const iterator = database.iterator(range);
      try {
        await copyEntries(iterator.nextv.bind(iterator), copy);
      } finally {
        await iterator.close();
      }
      await writeMarker(copy);
    } catch (cause) {
      throw storageErrorOf(cause, `copying to ${directory}`);
    } finally {
      await snapshot.close();
      await copy?.close();
    }
  }

  #fail(error: StorageError): StorageError {
    if (this.#failure === undefined && !this.#closing) {
      this.#failure = error;
      if (error.code === 'corrupt') this.#damages += 1;
      this.#options.log?.error('storage refuses writes', { code: error.code, error: error.message });
      this.#recovery.start();
    }
    return error;
  }

  async #recover(): Promise<'recovered' | 'still failing'> {
    try {
      await this.#options.probe?.();
      await this.#closeDatabase();
      if (this.#damages > REOPENINGS_BEFORE_REPAIR || (await hasUnfinishedRepair(this.#options))) {
        await repaired(this.#options);
        this.#damages = 0;
        this.#isDoubtful = true;
      }
      this.#database = await this.#open();
      this.#snapshots = new SharedSnapshots(this.#database);
    } catch (cause) {
      this.#failure = storageErrorOf(cause, 'recovering');
      if (this.#failure.code === 'corrupt') this.#damages += 1;
      this.#options.log?.warn('storage still refuses writes', { error: this.#failure.message });
      return 'still failing';
    }
    if (this.#isDoubtful) for (const doubted of this.#doubted) doubted();
    this.#isDoubtful = false;
    this.#failure = undefined;
    this.#options.log?.info('storage has recovered');
    return 'recovered';
  }

  async #closeDatabase(): Promise<void> {
    await Promise.allSettled(this.#using.entries());
    const database = this.#database;
    this.#database = undefined;
    this.#spares = [];
    await database?.close();
  }

  async #use<T>(work: Promise<T>): Promise<T> {
    const number = this.#using.next();
    this.#using.set(number, work);
    try {
      return await work;
    } finally {
      this.#using.delete(number);
    }
  }

  #writable(): LevelDatabase {
    if (this.#closing) throw closedError();
    if (this.#failure !== undefined) throw this.#failure;
    return this.#database ?? this.#unreadable();
  }

  #unreadable(): never {
    if (this.#closing) throw closedError();
    throw this.#failure ?? new StorageError('io', 'storage is being opened again after a failure');
  }
}

async function copyEntries(
  nextSlice: (size: number) => Promise<[Buffer, Buffer][]>,
  copy: LevelDatabase,
): Promise<void> {
  for (;;) {
    const slice = await nextSlice(SLICE_ENTRIES_MAX);
    if (slice.length === 0) return;
    const native = copy.nativeBatch();
    for (const [key, sealed] of slice) native._put(key, sealed);
    await native._write({ sync: true });
    await native.close();
  }
}

function sliceOptions(range: LevelRange) {
  return {
    ...(range.from === undefined ? {} : { gte: range.from }),
    lt: range.to,
    reverse: false,
    fillCache: false,
    highWaterMarkBytes: SLICE_BYTES_MAX,
  };
}

function boundedRange(range: KeyRange): LevelRange {
  const to = range.to === undefined || isReserved(range.to) ? RESERVED_FROM : range.to;
  return range.from === undefined ? { to } : { from: range.from, to };
}

function closedError(): StorageError {
  return new StorageError('closed', 'the storage engine is closed');
}
