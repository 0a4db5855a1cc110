/**
 * The index: from each key to the place of its newest record in the log. A log-structured merge tree (O'Neil et
 * al., 1996) of keys and places alone; values stay where they were first written (WiscKey: Lu et al., FAST 2016).
 *
 * What holds:
 * - I1. Newest first: active memtable, frozen memtable, runs in the order of their making. The first that has a key
 *   decides, unless a range that was deleted later hides it.
 * - I2. The runs hold all that the log has before the checkpoint, and nothing from behind it. So a start reads the
 *   log from the checkpoint on; and the whole index can be built anew from the log alone.
 * - I3. A run's file is removed only after a manifest that does not name it is durable.
 * - I4. A snapshot keeps what it saw: memtables are copied on write, runs stay open until it is released.
 */
import type { Buffer } from 'node:buffer';
import { type Disk, DiskError } from '../../environment/index.ts';
import { type ByteString, byteStringOf, type OrderedMapSnapshot } from '../../stdx/index.ts';
import type { KeyRange, StorageError } from '../storage-engine.ts';
import type { BlockCache } from './block-cache.ts';
import { hashOfKey } from './bloom-filter.ts';
import { isHidden, isRangeHidden, withRange } from './deleted-ranges.ts';
import { type BlockDamaged, type EntrySource, MemtableSource, RunSource } from './entry-source.ts';
import { HIDDEN_SHARE_MAX, RANGES_KEPT } from './log-limits.ts';
import { type DeletedRange, RECORD_HEAD_BYTES } from './log-record.ts';
import { Memtable } from './memtable.ts';
import { planMerge } from './merge-plan.ts';
import { isBefore, LOG_START, type Location, type Position } from './position.ts';
import type { Run } from './run.ts';
import { type DeadRecords, writeRun } from './write-run.ts';

export interface KeyIndexParts {
  readonly disk: Disk;
  readonly directory: string;
  readonly cache: BlockCache;
  readonly nextRunNumber: () => number;
  /** Records that became dead. */
  readonly dead: (records: DeadRecords) => void;
  /** Makes the manifest durable. Rejects with `DiskError`. */
  readonly persist: () => Promise<void>;
  /** Between slices of work. */
  readonly pause: () => Promise<void>;
}

interface Frozen {
  readonly memtable: Memtable;
  readonly entries: OrderedMapSnapshot<Location>;
  readonly checkpoint: Position;
}

export class KeyIndex {
  readonly #parts: KeyIndexParts;
  #active = new Memtable();
  #activeSince: Position = LOG_START;
  #frozen: Frozen | undefined;
  #runs: readonly Run[] = [];
  #ranges: readonly DeletedRange[] = [];
  /** Behind the newest range that was told of: what is written from now on is free of what it hides. */
  #purgedTo: Position = LOG_START;
  #checkpoint: Position = LOG_START;
  /** As the last durable manifest has it. */
  #durableCheckpoint: Position = LOG_START;
  /** Replaced, but perhaps still named by the manifest. */
  #obsolete: Run[] = [];
  /** Flushed and merged: entries written to runs. */
  entriesWritten = 0;

  constructor(parts: KeyIndexParts) {
    this.#parts = parts;
  }

  /** What a manifest says. */
  restore(runs: readonly Run[], ranges: readonly DeletedRange[], checkpoint: Position): void {
    this.#runs = runs;
    this.#ranges = ranges;
    this.#checkpoint = checkpoint;
    this.#durableCheckpoint = checkpoint;
    this.#activeSince = checkpoint;
    for (const range of ranges) this.#purgeTo(range);
  }

  /** The newest place of a key, also where it was deleted. Throws `StorageError` if the index is damaged there. */
  find(key: Buffer): Location | undefined {
    const place = this.#newestPlace(key);
    if (place === undefined || this.#ranges.length === 0) return place;
    return isHidden(this.#ranges, key, key.length, place.segment, place.offset) ? undefined : place;
  }

  #newestPlace(key: Buffer): Location | undefined {
    let place: Location | undefined;
    if (this.#active.size > 0 || this.#frozen !== undefined) {
      const name = byteStringOf(key);
      place = this.#active.get(name) ?? this.#frozen?.memtable.get(name);
    }
    const runs = this.#runs;
    if (place === undefined && runs.length > 0) {
      const hash = hashOfKey(key);
      for (let i = 0; i < runs.length && place === undefined; i++) place = runs[i]!.find(key, hash);
    }
    return place;
  }

  /** A record was written. */
  put(name: ByteString, place: Location): void {
    const before = this.#active.set(name, place);
    if (before === undefined) return;
    const bytes = RECORD_HEAD_BYTES + name.length + before.length;
    this.#parts.dead([{ segment: before.segment, bytes, isTombstone: before.kind === 'delete' }]);
  }

  deleteRange(range: DeletedRange): void {
    // If its record was collected, it is met after younger ones, to which runs that are there may have been purged.
    const { segment, offset } = range;
    for (const run of this.#runs) run.missed({ segment, offset });
    if (this.#isNeeded(range)) this.#ranges = withRange(this.#ranges, range);
    this.#purgeTo(range);
  }

  /** Records that were not synced went to another segment (`LogWriter.recover`). Deletions of ranges were. */
  moveRecords(from: Position, to: Position): void {
    const moved: [ByteString, Location][] = [];
    const walker = this.#active.snapshot().walk();
    while (walker.next()) {
      const place = walker.value;
      if (place.segment !== from.segment || place.offset < from.offset) continue;
      const offset = to.offset + place.offset - from.offset;
      moved.push([walker.key as ByteString, { ...place, segment: to.segment, offset }]);
    }
    for (const [name, place] of moved) this.#active.set(name, place);
  }

  get memtableEntries(): number {
    return this.#active.size;
  }

  get isFlushing(): boolean {
    return this.#frozen !== undefined;
  }

  /** Whether there are so many deleted ranges over the active memtable that it has to be written out: no merge ends them. */
  get hasManyYoungRanges(): boolean {
    return this.#ranges.length > RANGES_KEPT && this.#count((range) => this.#isYoung(range)) > RANGES_KEPT;
  }

  get runs(): readonly Run[] {
    return this.#runs;
  }

  get ranges(): readonly DeletedRange[] {
    return this.#ranges;
  }

  /** From where the log has to be read at the next start. Collection must leave alone what is behind it. */
  get durableCheckpoint(): Position {
    return this.#durableCheckpoint;
  }

  get checkpoint(): Position {
    return this.#checkpoint;
  }

  /** Begins a new memtable. All of the log before `checkpoint` is on disk, and in the old one or in runs. */
  freeze(checkpoint: Position): void {
    this.#frozen = { memtable: this.#active, entries: this.#active.snapshot(), checkpoint };
    this.#active = new Memtable();
    this.#activeSince = checkpoint;
  }

  /** Writes the frozen memtable as a run. Rejects with `DiskError`; then it may be tried again. */
  async flush(): Promise<void> {
    const frozen = this.#frozen;
    if (frozen === undefined) return;
    const source = new MemtableSource(frozen.entries.walk());
    // A tombstone that hides nothing needs no entry. Range deletions that came later are applied as well.
    const run = await this.#write([source], frozen.entries.size, this.#runs.length === 0);
    if (run !== undefined) this.#runs = [run, ...this.#runs];
    this.#frozen = undefined;
    this.#checkpoint = frozen.checkpoint;
    await this.#changed();
  }

  get wantsMerge(): boolean {
    return this.#plan() !== undefined;
  }

  /** One merge of runs, if any is due. Rejects with `DiskError`, or `StorageError` if the index is damaged. */
  async merge(): Promise<boolean> {
    const plan = this.#plan();
    if (plan === undefined) return false;
    const inputs = this.#runs.slice(plan.start, plan.end);
    const isOldest = plan.end === this.#runs.length;
    const failing: BlockDamaged = (error) => {
      throw error;
    };
    const sources = inputs.map((run) => new RunSource(run, false, failing));
    const entries = inputs.reduce((sum, run) => sum + run.entries, 0);
    const merged = await this.#write(sources, entries, isOldest);
    // Only newer ones came meanwhile.
    const start = this.#runs.indexOf(inputs[0]!);
    const result = merged === undefined ? [] : [merged];
    this.#runs = [...this.#runs.slice(0, start), ...result, ...this.#runs.slice(start + inputs.length)];
    this.#obsolete.push(...inputs);
    await this.#changed();
    return true;
  }

  /** Puts runs that were built anew from the log before the checkpoint in the place of `old`, and what is still to be hidden of them. */
  async replaceRuns(old: readonly Run[], built: Pick<KeyIndex, 'runs' | 'ranges'>): Promise<void> {
    const newer = this.#runs.filter((run) => !old.includes(run));
    this.#runs = [...newer, ...built.runs];
    for (const range of built.ranges) {
      this.#ranges = withRange(this.#ranges, range);
      this.#purgeTo(range);
    }
    this.#obsolete.push(...old);
    await this.#changed();
  }

  snapshot(): IndexSnapshot {
    return new IndexSnapshot(this.#active.snapshot(), this.#frozen?.entries, this.#runs, this.#ranges);
  }

  /** Bytes in the log of a range, roughly. */
  sizeEstimate(range: KeyRange): number {
    const ranges = this.#ranges;
    let bytes = 0;
    for (const run of this.#runs) {
      if (!isRangeHidden(ranges, range, run.purgedTo)) bytes += run.logBytesIn(range.from, range.to);
    }
    const memtables = [this.#active.snapshot(), this.#frozen?.entries];
    for (const memtable of memtables) if (memtable !== undefined) bytes += sizeIn(memtable, range, ranges);
    return bytes;
  }

  /** After it was built for nothing: removes what it wrote. */
  async discard(): Promise<void> {
    await this.close();
    for (const run of [...this.#runs, ...this.#obsolete]) await this.#remove(run);
  }

  async close(): Promise<void> {
    for (const run of [...this.#runs, ...this.#obsolete]) await run.retire();
  }

  #plan() {
    const mayEnd = (range: DeletedRange): boolean => this.#frozen === undefined && !this.#isYoung(range);
    const purges = this.#count(mayEnd) > RANGES_KEPT || this.#hidesMuch();
    const sizes = this.#runs.map((run) => run.entries);
    return planMerge(sizes, purges);
  }

  /** Whether deleted ranges hide so much of the log that it is worth writing the index anew: only then it is collected. */
  #hidesMuch(): boolean {
    if (this.#ranges.length === 0) return false;
    let all = 0;
    let hidden = 0;
    for (const run of this.#runs) {
      all += run.logBytesIn(undefined, undefined);
      for (const range of this.#ranges) {
        if (!isBefore(range, run.purgedTo)) hidden += run.logBytesIn(range.from, range.to);
      }
    }
    return hidden > 0 && hidden >= HIDDEN_SHARE_MAX * all;
  }

  #purgeTo({ segment, offset }: DeletedRange): void {
    const behind = { segment, offset: offset + 1 };
    if (isBefore(this.#purgedTo, behind)) this.#purgedTo = behind;
  }

  async #write(sources: EntrySource[], entriesMax: number, isOldest: boolean): Promise<Run | undefined> {
    const { disk, directory, cache, nextRunNumber, pause } = this.#parts;
    const { run, dead } = await writeRun(sources, {
      disk,
      directory,
      cache,
      number: nextRunNumber(),
      entriesMax,
      isOldest,
      ranges: this.#ranges,
      purgedTo: this.#purgedTo,
      pause,
    });
    this.#parts.dead(dead);
    this.entriesWritten += run?.entries ?? 0;
    return run;
  }

  async #changed(): Promise<void> {
    this.#ranges = this.#ranges.filter((range) => this.#isNeeded(range));
    const checkpoint = this.#checkpoint;
    const obsolete = this.#obsolete;
    this.#obsolete = [];
    try {
      await this.#parts.persist();
      if (isBefore(this.#durableCheckpoint, checkpoint)) this.#durableCheckpoint = checkpoint;
      for (; obsolete.length > 0; obsolete.shift()) await this.#remove(obsolete[0]!);
    } finally {
      // What is left of them is removed after the next change.
      this.#obsolete = [...obsolete, ...this.#obsolete];
    }
  }

  async #remove(run: Run): Promise<void> {
    await run.retire();
    try {
      await this.#parts.disk.remove(run.path);
    } catch (cause) {
      if (!(cause instanceof DiskError) || cause.code !== 'missing') throw cause;
    }
  }

  /** Whether a deleted range may still hide something. */
  #isNeeded(range: DeletedRange): boolean {
    if (this.#frozen !== undefined || this.#isYoung(range)) return true;
    return this.#runs.some((run) => !isBefore(range, run.purgedTo));
  }

  /** Whether the active memtable may hold something that the range hides. */
  #isYoung(range: DeletedRange): boolean {
    return this.#active.size > 0 && !isBefore(range, this.#activeSince);
  }

  #count(matches: (range: DeletedRange) => boolean): number {
    return this.#ranges.reduce((count, range) => count + (matches(range) ? 1 : 0), 0);
  }
}

/** The index as it was at a moment. */
export class IndexSnapshot {
  readonly ranges: readonly DeletedRange[];
  readonly #memtables: readonly OrderedMapSnapshot<Location>[];
  readonly #runs: readonly Run[];

  constructor(
    active: OrderedMapSnapshot<Location>,
    frozen: OrderedMapSnapshot<Location> | undefined,
    runs: readonly Run[],
    ranges: readonly DeletedRange[],
  ) {
    this.#memtables = frozen === undefined ? [active] : [active, frozen];
    this.#runs = runs;
    this.ranges = ranges;
    for (const run of runs) run.retain();
  }

  /** Newest first, from `first` on. `damaged` is told of blocks of a source that cannot be read. */
  sources(
    isReverse: boolean,
    first: Buffer | undefined,
    damaged: (error: StorageError, source: number, run: Run, block: number) => void,
  ): EntrySource[] {
    const memtables = this.#memtables.map((memtable) => new MemtableSource(memtable.walk(isReverse), first));
    const runs = this.#runs.map((run, i) => {
      const source = memtables.length + i;
      const told: BlockDamaged = (error, _run, block) => damaged(error, source, run, block);
      return new RunSource(run, isReverse, told, first);
    });
    return [...memtables, ...runs];
  }

  async release(): Promise<void> {
    for (const run of this.#runs) await run.release();
  }
}

function sizeIn(
  memtable: OrderedMapSnapshot<Location>,
  { from, to }: KeyRange,
  ranges: readonly DeletedRange[],
): number {
  const end = to && byteStringOf(to);
  const walker = memtable.walk();
  let bytes = 0;
  const first = from && byteStringOf(from);
  for (let found = first === undefined ? walker.next() : walker.seek(first); found; found = walker.next()) {
    const { key, value: place } = walker;
    if (end !== undefined && key >= end) break;
    if (place.kind === 'delete') continue;
    if (ranges.length > 0 && isRangeHidden(ranges, { ...(from && { from }), ...(to && { to }) }, place))
      continue;
    bytes += RECORD_HEAD_BYTES + key.length + place.length;
  }
  return bytes;
}
