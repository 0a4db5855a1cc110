/**
 * The memory engine with a journal: keys in memory, values on a `Disk`, every batch one checked record.
 *
 * What holds:
 * - A 'synced' write resolves after a sync that began after its record was written; writes that wait
 *   together share one sync.
 * - The tree changes only after that, so what is read was acknowledged or is about to be.
 * - After a failed write or sync the file is never written again. The engine is `failing`: it refuses
 *   writes, serves reads, and tries to roll the journal to a new file; once that is durable it is healthy.
 * - While compaction copies, writes go on in the old file; what they change is copied after, the last of
 *   it with writes held back, so the new file and the old hold the same when one replaces the other.
 * - Values are read from the disk and checked each time.
 */
import type { Disk, Environment, Log } from '../../environment/index.ts';
import { DiskError } from '../../environment/index.ts';
import { bufferOf, byteLiteral, byteStringOf, type OrderedMap } from '../../stdx/index.ts';
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
  WriteBatch,
} from '../storage-engine.ts';
import { copyJournal, entryBytes, JournalRoll, type OpenedJournal, removeOlder } from './journal.ts';
import type { JournalFile, Place } from './journal-file.ts';
import { MemoryCursor } from './memory-cursor.ts';
import { keysIn, sizeIn } from './tree-range.ts';

/** Waiting batches that are written, and synced, together. */
const GROUP_BYTES_MAX = 16 * 1024 * 1024;
/** Dead bytes a journal must have, beside a multiple of its live ones, before it is compacted. */
const COMPACTION_DEAD_BYTES_MIN = 1024 * 1024;
const COMPACTION_DEAD_RATIO = 2;
/** Changed keys that are copied with writes held back at the end of a roll; and rounds to get there. */
const HELD_BACK_KEYS_MAX = 1000;
const CATCH_UP_ROUNDS_MAX = 8;
const DELETE_SLICE_KEYS_MAX = 4096;

export interface JournaledEngineOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly log?: Log;
  readonly compactionDeadBytesMin?: number;
}

interface Waiting {
  readonly batch: WriteBatch;
  readonly durability: Durability;
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
}

export class JournaledEngine implements StorageEngine {
  readonly name = 'memory';
  readonly #options: JournaledEngineOptions;
  readonly #environment: Pick<Environment, 'timers' | 'tasks'>;
  readonly #recovery: Recovery;
  #tree: OrderedMap<Place>;
  #file: JournalFile;
  #liveBytes: number;
  /** The highest generation that was tried. */
  #generation: number;
  #queue: Waiting[] = [];
  #pumping = false;
  /** Appends and the last step of a roll take turns. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Keys changed since a roll began; undefined when none is under way. */
  #changed: Set<string> | undefined;
  #compaction: Promise<void> = Promise.resolve();
  #compacting = false;
  /** After a compaction that failed: not again before the journal has grown to this. */
  #compactAfter = 0;
  #failure: StorageError | undefined;
  #closing = false;

  constructor(
    opened: OpenedJournal,
    options: JournaledEngineOptions,
    environment: Pick<Environment, 'timers' | 'tasks'>,
  ) {
    this.#options = options;
    this.#environment = environment;
    this.#tree = opened.tree;
    this.#file = opened.file;
    this.#liveBytes = opened.liveBytes;
    this.#generation = opened.file.generation;
    this.#recovery = new Recovery(environment, 'storage-recovery', () => this.#recover());
  }

  get health(): StorageHealth {
    return this.#failure === undefined ? { kind: 'healthy' } : { kind: 'failing', error: this.#failure };
  }

  get(key: Buffer): Buffer | undefined {
    this.#assertOpen();
    const place = this.#tree.get(byteStringOf(key));
    return place && readPlace(this.#file, key, place);
  }

  async write(batch: WriteBatch, durability: Durability): Promise<void> {
    this.#assertOpen();
    if (this.#failure !== undefined) throw this.#failure;
    if (batch.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#queue.push({ batch, durability, resolve, reject });
      this.#pump();
    });
  }

  scan(range: KeyRange, options: ScanOptions = {}): Cursor {
    this.#assertOpen();
    const file = this.#file;
    file.retain();
    return new MemoryCursor(this.#tree.snapshot().walk(options.reverse), range.from, range.to, options, {
      read: (key, place) => readPlace(file, key, place),
      assertOpen: () => this.#assertOpen(),
      yieldTurn: () => this.#yieldTurn(),
      closed: () => file.release(),
    });
  }

  async deleteRange(range: KeyRange): Promise<void> {
    this.#assertOpen();
    let batch = new WriteBatch();
    for (const name of keysIn(this.#tree.snapshot(), range)) {
      batch.delete(bufferOf(byteLiteral(name)));
      if (batch.length < DELETE_SLICE_KEYS_MAX) continue;
      await this.write(batch, 'synced');
      batch = new WriteBatch();
    }
    await this.write(batch, 'synced');
  }

  async sizeEstimate(range: KeyRange): Promise<number> {
    this.#assertOpen();
    const sizeOf = (name: string, place: Place) => entryBytes(name.length, place);
    return sizeIn(this.#tree.snapshot(), range, sizeOf, () => this.#yieldTurn());
  }

  async copyTo(directory: string): Promise<void> {
    this.#assertOpen();
    const { disk } = this.#options;
    const source = this.#file;
    const snapshot = this.#tree.snapshot();
    source.retain();
    try {
      await copyJournal(disk, directory, snapshot, source);
    } catch (cause) {
      throw diskFailure(cause, `copying to ${directory}`);
    } finally {
      await source.release();
    }
  }

  /** What is being written is; what is queued behind it is refused. 'os' writes are synced, if the disk takes it. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    await this.#recovery.stop();
    await this.#compaction;
    await this.#exclusively(async () => {
      this.#rejectQueue(closedError());
      try {
        // The empty record says that all before it was on disk: see journal-replay.ts.
        if (this.#failure === undefined) {
          await this.#file.sync();
          await this.#file.append([new WriteBatch()], true);
        }
      } catch (cause) {
        this.#options.log?.warn('the last sync failed', { error: diskFailure(cause, 'closing').message });
      }
      await this.#file.retire();
    });
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#environment.tasks.spawn('storage-journal', async () => {
      while (this.#queue.length > 0) {
        await this.#exclusively(() => this.#writeGroup());
        if (this.#wantsCompaction()) this.#startCompaction();
      }
      this.#pumping = false;
    });
  }

  async #writeGroup(): Promise<void> {
    // A roll may have failed while these waited: nothing may be added to the old file then.
    if (this.#failure !== undefined) this.#rejectQueue(this.#failure);
    const group = this.#takeGroup();
    if (group.length === 0) return;
    const sync = group.some((waiting) => waiting.durability === 'synced');
    let places: Place[][];
    try {
      places = await this.#file.append(
        group.map((waiting) => waiting.batch),
        sync,
      );
    } catch (cause) {
      const error = diskFailure(cause, 'writing the journal');
      this.#fail(error);
      for (const waiting of group) waiting.reject(error);
      this.#rejectQueue(error);
      return;
    }
    for (let i = 0; i < group.length; i++) {
      this.#apply(group[i]!.batch, places[i]!);
      group[i]!.resolve();
    }
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && bytes < GROUP_BYTES_MAX) {
      bytes += this.#queue[count]!.batch.byteLength;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  #apply(batch: WriteBatch, places: readonly Place[]): void {
    for (let i = 0; i < batch.length; i++) {
      const name = byteStringOf(batch.keys[i]!);
      const place = places[i]!;
      const deletes = batch.values[i] === undefined;
      const before = deletes ? this.#tree.delete(name) : this.#tree.set(name, place);
      if (before !== undefined) this.#liveBytes -= entryBytes(name.length, before);
      if (!deletes) this.#liveBytes += entryBytes(name.length, place);
      this.#changed?.add(name);
    }
  }

  #wantsCompaction(): boolean {
    const { compactionDeadBytesMin = COMPACTION_DEAD_BYTES_MIN } = this.#options;
    const { end } = this.#file;
    const dead = end - this.#liveBytes;
    const idle = !this.#compacting && this.#failure === undefined && !this.#closing;
    return (
      idle &&
      end >= this.#compactAfter &&
      dead >= Math.max(compactionDeadBytesMin, COMPACTION_DEAD_RATIO * this.#liveBytes)
    );
  }

  #startCompaction(): void {
    this.#compacting = true;
    this.#environment.tasks.spawn('storage-compaction', async () => {
      if (this.#closing) return;
      this.#compaction = this.#compact();
      await this.#compaction;
      this.#compacting = false;
    });
  }

  async #compact(): Promise<void> {
    const roll = this.#nextRoll();
    try {
      await this.#roll(roll);
    } catch (cause) {
      const error = diskFailure(cause, 'compacting the journal');
      this.#options.log?.warn('the journal was not compacted', { error: error.message });
      this.#compactAfter = 2 * this.#file.end;
      await this.#abandon(roll);
    }
  }

  async #recover(): Promise<'recovered' | 'still failing'> {
    const roll = this.#nextRoll();
    try {
      await this.#roll(roll);
    } catch (cause) {
      this.#failure = diskFailure(cause, 'rolling the journal');
      await this.#abandon(roll);
      return 'still failing';
    }
    this.#failure = undefined;
    this.#options.log?.info('storage has recovered');
    return 'recovered';
  }

  #nextRoll(): JournalRoll {
    this.#generation += 1;
    return new JournalRoll(this.#options.disk, this.#options.directory, this.#generation);
  }

  /** Replaces the journal file. Rejects with what went wrong; the old file is then still in use. */
  async #roll(roll: JournalRoll): Promise<void> {
    const old = this.#file;
    this.#changed = new Set();
    old.retain();
    try {
      await roll.copy(this.#tree.snapshot(), old);
      for (let round = 0; round < CATCH_UP_ROUNDS_MAX && this.#changed.size > HELD_BACK_KEYS_MAX; round++) {
        await this.#copyChanged(roll, old);
      }
      await this.#exclusively(async () => {
        if (this.#closing) throw closedError();
        await this.#copyChanged(roll, old);
        const { file, tree } = await this.#finish(roll);
        this.#file = file;
        this.#tree = tree;
        this.#compactAfter = 0;
      });
    } finally {
      this.#changed = undefined;
      await old.release();
    }
    if (roll.lost > 0) this.#options.log?.error('rotten values in the journal', { values: roll.lost });
    await this.#removeOld(old);
  }

  /** Within the turn of the roll: no write may come between a failure here and the engine's knowing it. */
  async #finish(roll: JournalRoll): ReturnType<JournalRoll['finish']> {
    try {
      return await roll.finish();
    } catch (cause) {
      if (roll.named) this.#fail(diskFailure(cause, 'rolling the journal'));
      throw cause;
    }
  }

  async #copyChanged(roll: JournalRoll, old: JournalFile): Promise<void> {
    const changed = this.#changed!;
    this.#changed = new Set();
    await roll.copyChanged(changed, this.#tree.snapshot(), old);
  }

  /** Failing to remove is harmless: the highest generation wins, and the next start removes the rest. */
  async #removeOld(old: JournalFile): Promise<void> {
    try {
      await old.retire();
      await removeOlder(this.#options.disk, this.#options.directory, this.#file.generation);
    } catch (cause) {
      this.#options.log?.warn('an old journal was not removed', {
        error: diskFailure(cause, 'removing').message,
      });
    }
  }

  async #abandon(roll: JournalRoll): Promise<void> {
    try {
      await roll.abandon();
    } catch (cause) {
      const { message } = diskFailure(cause, 'removing an unfinished journal');
      this.#options.log?.warn('an unfinished journal was not removed', { error: message });
    }
  }

  #fail(error: StorageError): void {
    if (this.#failure !== undefined || this.#closing) return;
    this.#failure = error;
    this.#options.log?.error('storage refuses writes', { code: error.code, error: error.message });
    this.#recovery.start();
  }

  #rejectQueue(error: StorageError): void {
    for (const waiting of this.#queue.splice(0)) waiting.reject(error);
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(work);
    this.#turn = run.catch(() => undefined); // the caller is told; the next one only waits
    return run;
  }

  #yieldTurn(): Promise<void> {
    return new Promise((resolve) => this.#environment.tasks.endOfTurn(resolve));
  }

  #assertOpen(): void {
    if (this.#closing) throw closedError();
  }
}

function readPlace(file: JournalFile, key: Buffer, place: Place): Buffer {
  let value: Buffer | undefined;
  try {
    value = file.read(key, place);
  } catch (cause) {
    throw diskFailure(cause, 'reading');
  }
  if (value === undefined) throw corruptEntry(key);
  return value;
}

/** A bug is not a failure of the disk: it goes on up. */
export function diskFailure(cause: unknown, doing: string): StorageError {
  if (cause instanceof StorageError) return cause;
  if (!(cause instanceof DiskError)) throw cause;
  return new StorageError(cause.code === 'full' ? 'full' : 'io', `${doing}: ${cause.message}`, { cause });
}

function closedError(): StorageError {
  return new StorageError('closed', 'the storage engine is closed');
}
