/**
 * The background work of the log engine: writing out the memtable, merging index runs, collecting garbage, building the
 * index anew. All of it goes in slices of about a millisecond with pauses between, so that requests come first; the
 * pauses go away when work piles up. Writing out the memtable does not wait for the rest.
 */
import { type Disk, DiskError, type Environment, type Log, type Timer } from '../../environment/index.ts';
import { type EngineGauge, type KeyRange, StorageError } from '../storage-engine.ts';
import { diskFailure } from './disk-failure.ts';
import type { KeyIndex } from './key-index.ts';
import {
  type LogTuning,
  PAUSE_MS,
  REBUILDS_MAX,
  REPLAY_SEGMENTS_MAX,
  RUNS_HURRY,
  RUNS_MAX,
  UPKEEP_RETRY_MS,
} from './log-limits.ts';
import type { LogWriter } from './log-writer.ts';
import type { RebuildParts } from './rebuild-index.ts';
import type { SegmentSet } from './segment.ts';
import { SegmentCollector } from './segment-collector.ts';
import { Stopped } from './stopped.ts';
import type { Turns } from './turns.ts';
import { applyFrames, rangeWrite } from './waiting-write.ts';

export interface UpkeepParts {
  readonly disk: Disk;
  readonly directory: string;
  readonly tuning: LogTuning;
  readonly log: Log | undefined;
  readonly environment: Pick<Environment, 'timers' | 'tasks'>;
  readonly segments: SegmentSet;
  readonly index: KeyIndex;
  readonly writer: LogWriter;
  readonly turns: Turns;
  /** Builds the runs anew from the log and puts them in the place of the present ones. */
  readonly rebuild: (
    options: Pick<RebuildParts, 'mustReadAll' | 'emptyDoubtful' | 'doubted'>,
  ) => Promise<void>;
  /** Where no entry may show that is older than one that rot hides. */
  readonly emptiedByDamage: readonly KeyRange[];
}

export interface UpkeepOwner {
  /** The log could not be written. */
  readonly failed: (cause: unknown) => void;
  readonly isStopped: () => boolean;
  /** Entries may be gone, or older than they were, and nobody knows which. */
  readonly doubted: () => void;
}

export class Upkeep {
  readonly #parts: UpkeepParts;
  /** Undefined until the engine is open: what opening does takes no pauses. */
  #owner: UpkeepOwner | undefined;
  #flushing: Promise<void> | undefined;
  #working: Promise<void> | undefined;
  #retry: Timer | undefined;
  #isIndexDamaged = false;
  /** Attempts since it was found damaged. */
  #rebuilds = 0;
  /** Of the last attempt. */
  #flushFailure: DiskError | StorageError | undefined;
  #workFailure: DiskError | StorageError | undefined;
  readonly #collector: SegmentCollector;
  readonly #pauses = new Set<() => void>();
  #isHurried = false;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
    this.#collector = new SegmentCollector({
      ...parts,
      pause: () => this.pause(),
      hasRoom: () => !this.#isMemtableFull(),
      freezeIfFull: () => this.freezeIfFull(),
      inLogTurn: (work) => this.#inLogTurn(work),
      logFailed: (cause) => this.#logFailed(cause),
    });
  }

  start(owner: UpkeepOwner): void {
    this.#owner = owner;
    this.wake();
  }

  /** Resolves when nothing is under way any more. The owner says that it is stopped. */
  async stop(): Promise<void> {
    this.#retry?.cancel();
    this.#isHurried = true;
    for (const wake of this.#pauses) wake();
    await this.#flushing;
    await this.#working;
  }

  /** Whether the index cannot take more writes for the moment. */
  get isBehind(): boolean {
    return this.#isMemtableFull() || this.#parts.index.runs.length >= RUNS_MAX;
  }

  #isMemtableFull(): boolean {
    const { index, tuning } = this.#parts;
    return index.isFlushing && index.memtableEntries >= tuning.memtableEntriesMax;
  }

  /** Why writes are refused that `isBehind` would let wait: the work that they need has just failed. */
  get blockage(): StorageError | undefined {
    if (!this.isBehind) return undefined;
    const failure = this.#parts.index.isFlushing ? this.#flushFailure : this.#workFailure;
    return failure === undefined ? undefined : diskFailure(failure, 'writing the index');
  }

  /** Resolves when some of the work that `isBehind` waits for is done, or all work is stopped. Rejects if it failed. */
  async progress(): Promise<void> {
    this.#isHurried = true;
    try {
      if (this.#parts.index.isFlushing) {
        await this.#flushed();
      } else {
        this.wake();
        await this.#working;
        if (this.#workFailure !== undefined) throw this.#workFailure;
      }
    } finally {
      this.#isHurried = false;
    }
  }

  /** Hands a full memtable to the background, in the writers' turn. Rejects with `DiskError` if the log cannot be synced. */
  async freezeIfFull(): Promise<void> {
    const { index, writer, tuning } = this.#parts;
    if (index.isFlushing || index.memtableEntries === 0) return;
    const isFar = writer.end.segment - index.checkpoint.segment > REPLAY_SEGMENTS_MAX;
    const isFull = index.memtableEntries >= tuning.memtableEntriesMax || index.hasManyYoungRanges;
    if (!isFull && !isFar) return;
    await writer.sync();
    index.freeze(writer.end);
    this.flush();
  }

  flush(): void {
    if (this.#flushing !== undefined || this.#isStopped()) return;
    this.#parts.environment.tasks.spawn('storage-flush', async () => {
      this.#flushFailure = undefined;
      const attempt = this.#attempt('the index was not written out', () => this.#parts.index.flush());
      this.#flushing = attempt.then((failure) => {
        this.#flushFailure = failure;
        this.#flushing = undefined;
      });
      await this.#flushing;
      // What failed is tried again later.
      if (this.#flushFailure === undefined) this.wake();
    });
  }

  /** Looks for work: an index that could not be written out is some. */
  wake(): void {
    if (this.#parts.index.isFlushing) this.flush();
    if (this.#working !== undefined || this.#isStopped()) return;
    this.#retry?.cancel();
    this.#parts.environment.tasks.spawn('storage-upkeep', async () => {
      this.#workFailure = undefined;
      const attempt = this.#attempt('background work of storage failed', () => this.#work());
      this.#working = attempt.then((failure) => {
        this.#workFailure = failure;
        this.#working = undefined;
      });
      await this.#working;
    });
  }

  /** A block of it was found rotten. */
  indexDamaged(): void {
    if (this.#isIndexDamaged) return;
    this.#isIndexDamaged = true;
    this.#parts.log?.error('the index of the log is damaged: it is built anew');
    this.wake();
  }

  /** Between slices. Throws when work has to stop. */
  async pause(): Promise<void> {
    if (this.#owner === undefined) return;
    if (this.#isStopped()) throw new Stopped();
    if (this.#isUrgent()) {
      await this.#parts.turns.yieldTurn();
    } else {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          timer.cancel();
          this.#pauses.delete(wake);
          resolve();
        };
        const timer = this.#parts.environment.timers.after(PAUSE_MS, wake);
        this.#pauses.add(wake);
      });
    }
    if (this.#isStopped()) throw new Stopped();
  }

  gauges(): readonly EngineGauge[] {
    const { segments, index, writer } = this.#parts;
    const { collections, collectedBytes, copiedBytes } = this.#collector;
    let bytes = 0;
    let dead = 0;
    let debt = 0;
    for (const segment of segments.all()) {
      bytes += segment.bytes;
      dead += Math.min(segment.bytes, segment.deadBytes);
      if (segment.garbageShare >= this.#parts.tuning.garbageShare) debt += segment.bytes;
    }
    const memory = index.runs.reduce((sum, run) => sum + run.memoryBytes, 0);
    const gauge = (name: string, help: string, value: number): EngineGauge => ({ name, help, value });
    return [
      gauge('log_segments', 'Segments of the log.', segments.size),
      gauge('log_bytes', 'Bytes of the log.', bytes),
      gauge('log_dead_bytes', 'Those that are known to be dead.', dead),
      gauge('log_collection_debt_bytes', 'Bytes of segments that are due for collection.', debt),
      gauge('log_collected_bytes', 'Bytes of segments that were collected, since the start.', collectedBytes),
      gauge('log_copied_bytes', 'Bytes that lived in them and were written again.', copiedBytes),
      gauge('log_collections', 'Segments that were collected, since the start.', collections),
      gauge('log_written_bytes', 'Bytes written to the log, since the start.', writer.bytesWritten),
      gauge('log_syncs', 'Syncs of the log, since the start.', writer.syncs),
      gauge('log_index_runs', 'Sorted runs of the index.', index.runs.length),
      gauge(
        'log_index_entries',
        'Entries in them.',
        index.runs.reduce((sum, run) => sum + run.entries, 0),
      ),
      gauge('log_index_memory_bytes', 'Memory that their fences and filters take.', memory),
      gauge('log_index_written_entries', 'Entries written to runs, since the start.', index.entriesWritten),
      gauge('log_page_cache_bytes', 'Memory that pages of the log take.', segments.cachedBytes),
      gauge('log_memtable_entries', 'Keys that wait to be written to the index.', index.memtableEntries),
      gauge('log_deleted_ranges', 'Deleted ranges that still hide entries.', index.ranges.length),
      gauge('log_index_damaged', '1 while the index has to be built anew.', this.#isIndexDamaged ? 1 : 0),
    ];
  }

  #isStopped(): boolean {
    return this.#owner === undefined || this.#owner.isStopped();
  }

  #isUrgent(): boolean {
    const { index, tuning } = this.#parts;
    if (this.#isHurried || index.runs.length >= RUNS_HURRY) return true;
    return index.isFlushing && index.memtableEntries > tuning.memtableEntriesMax / 2;
  }

  async #work(): Promise<void> {
    while (!this.#isStopped()) {
      if (this.#isIndexDamaged) {
        await this.#rebuild();
        continue;
      }
      const merged = await this.#merge();
      if (merged === true) continue;
      const victim = this.#collector.victim();
      if (victim !== undefined) await this.#collector.collect(victim);
      else if (merged === false) return;
      else throw merged;
    }
  }

  /** Whether there was anything to merge; or that the disk has no room for it: collection may make some. */
  async #merge(): Promise<boolean | DiskError> {
    try {
      return await this.#parts.index.merge();
    } catch (cause) {
      if (cause instanceof DiskError && cause.code === 'full') return cause;
      throw cause;
    }
  }

  /** A disk that refuses to be read may think better of it: what cannot be read for long is given up. */
  async #rebuild(): Promise<void> {
    this.#rebuilds += 1;
    await this.#advanceCheckpoint();
    await this.#parts.rebuild({
      mustReadAll: this.#rebuilds < REBUILDS_MAX,
      emptyDoubtful: () => this.#emptyDoubtful(),
      doubted: () => this.#owner?.doubted(),
    });
    this.#rebuilds = 0;
    this.#isIndexDamaged = false;
  }

  async #emptyDoubtful(): Promise<void> {
    const { writer, emptiedByDamage } = this.#parts;
    const frames = emptiedByDamage.map(rangeWrite);
    if (frames.length === 0) return;
    await this.#inLogTurn(async () => {
      try {
        applyFrames(frames, await writer.append(frames, true), this.#parts);
      } catch (cause) {
        this.#logFailed(cause);
      }
    });
  }

  /** To the end of the log: the deletion of a range may have been copied there, and what it hides lies before. */
  async #advanceCheckpoint(): Promise<void> {
    const { index, writer } = this.#parts;
    await this.#flushed();
    await this.#inLogTurn(async () => {
      if (index.isFlushing) return;
      await writer.sync().catch((cause) => this.#logFailed(cause));
      index.freeze(writer.end);
    });
    await this.#flushed();
  }

  /** In the writers' turn, unless work has to stop by then. */
  #inLogTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#parts.turns.exclusively(async () => {
      if (this.#isStopped()) throw new Stopped();
      return await work();
    });
  }

  /** Fails the engine, and ends the work. */
  #logFailed(cause: unknown): never {
    this.#owner?.failed(cause);
    throw new Stopped();
  }

  /** Rejects with what the disk refuses. */
  async #flushed(): Promise<void> {
    if (!this.#parts.index.isFlushing) return;
    this.flush();
    await this.#flushing;
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
  }

  /** Runs work; what the disk refuses is told and tried again later. Resolves with what it was. */
  async #attempt(what: string, work: () => Promise<void>): Promise<DiskError | StorageError | undefined> {
    try {
      await work();
      return undefined;
    } catch (cause) {
      if (cause instanceof Stopped) return undefined;
      const isExpected = cause instanceof DiskError || cause instanceof StorageError;
      if (!isExpected) throw cause;
      this.#parts.log?.warn(what, { error: cause.message });
      if (cause instanceof StorageError && cause.code === 'corrupt') this.#isIndexDamaged = true;
      this.#tryAgain();
      return cause;
    }
  }

  #tryAgain(): void {
    if (this.#isStopped()) return;
    this.#retry?.cancel();
    this.#retry = this.#parts.environment.timers.after(UPKEEP_RETRY_MS, () => {
      if (this.#parts.index.isFlushing) this.flush();
      this.wake();
    });
  }
}
