/**
 * Opens the log engine: segments, manifest, runs of the index, then the log from the checkpoint on. If the manifest or
 * a run is damaged or missing, the index is built anew from the whole log.
 *
 * What the disk refuses to read is an error here, and never damage: whoever takes the end of the log for torn cuts it
 * off, and what the index was not told of is not looked for again.
 *
 * The directory must be locked by the caller. Limits: rot in the last frame before a crash cannot be told from a torn
 * write; every segment and run keeps a file open.
 */
import type { Disk, Environment, Log } from '../../environment/index.ts';
import { DiskError } from '../../environment/index.ts';
import { type KeyRange, type StorageEngine, StorageError } from '../storage-engine.ts';
import { BlockCache } from './block-cache.ts';
import { diskFailure } from './disk-failure.ts';
import { KeyIndex, type KeyIndexParts } from './key-index.ts';
import { LogEngine } from './log-engine.ts';
import { LOG_TUNING, type LogTuning, RUNS_HURRY } from './log-limits.ts';
import { type LogDamage, mustBeRead, type ScannedSegment, scanSegment } from './log-scan.ts';
import { LogWriter } from './log-writer.ts';
import { type Manifest, readManifest, UNFINISHED_MANIFEST_NAME, writeManifest } from './manifest.ts';
import { endOf, type OpenedSegments, openSegments } from './open-log.ts';
import { PageCache } from './page-cache.ts';
import { isBefore, LOG_START, type Position } from './position.ts';
import { rebuildIndex } from './rebuild-index.ts';
import { replayLog } from './replay-log.ts';
import { Run } from './run.ts';
import type { Segment, SegmentSet } from './segment.ts';
import { runNumbers, runPath, SEGMENT_HEADER_BYTES, segmentPath } from './segment-header.ts';
import { Turns } from './turns.ts';
import { Upkeep, type UpkeepParts } from './upkeep.ts';

const REWRITE_BYTES = 1024 * 1024;

export interface LogEngineOptions {
  readonly disk: Disk;
  /** Within the disk; made if it is missing. */
  readonly directory: string;
  readonly tuning?: Partial<LogTuning>;
  readonly log?: Log | undefined;
  /** Told of each damaged byte range, at opening and when the index is built anew. What is rot may have held acknowledged writes. */
  readonly damaged?: ((damage: LogDamage) => void) | undefined;
  /** After rot that hides keys, an older entry of one may show: in these ranges nothing may. */
  readonly emptiedByDamage?: readonly KeyRange[] | undefined;
  /** What a start cannot do without: if the index is damaged there, it is built anew before the engine is open. */
  readonly neededAtStart?: KeyRange | undefined;
}

type EngineEnvironment = Pick<Environment, 'timers' | 'tasks'>;

/** Rejects with `StorageError`: 'format', 'full', 'io'. */
export async function openLogEngine(
  options: LogEngineOptions,
  environment: EngineEnvironment,
): Promise<StorageEngine> {
  return open(options, environment);
}

async function open(options: LogEngineOptions, environment: EngineEnvironment): Promise<LogEngine> {
  const { disk, directory } = options;
  try {
    await makeDurableDirectory(disk, directory);
    const names = await disk.list(directory);
    if (names.includes(UNFINISHED_MANIFEST_NAME))
      await disk.remove(`${directory}/${UNFINISHED_MANIFEST_NAME}`);
    const pages = new PageCache(options.tuning?.pageBytesMax ?? LOG_TUNING.pageBytesMax);
    const opened = await openSegments(disk, directory, names, pages);
    return await assemble(options, environment, names, opened).catch(async (cause: unknown) => {
      await opened.segments.close();
      throw cause;
    });
  } catch (cause) {
    throw diskFailure(cause, `opening the log in ${directory}`);
  }
}

async function assemble(
  options: LogEngineOptions,
  environment: EngineEnvironment,
  names: readonly string[],
  opened: OpenedSegments,
): Promise<LogEngine> {
  const { disk, directory, log } = options;
  const tuning = { ...LOG_TUNING, ...options.tuning };
  const { segments, sealedEnds } = opened;
  const cache = new BlockCache(tuning.cacheBytesMax);
  const manifest = await readManifest(disk, directory);
  const runs = manifest === undefined ? undefined : await openRuns(options, manifest, cache);
  if (manifest !== undefined && runs === undefined)
    log?.error('the index of the log is damaged: it is built anew');
  const checkpoint = manifest !== undefined && runs !== undefined ? manifest.checkpoint : LOG_START;
  let nextRun = Math.max(0, ...runNumbers(names)) + 1;
  const turns = new Turns(environment.tasks);
  const persisting = new Turns(environment.tasks);
  const parts: KeyIndexParts = {
    disk,
    directory,
    cache,
    nextRunNumber: () => nextRun++,
    dead: (records) => segments.countDead(records),
    persist: () => persisting.exclusively(() => writeManifest(disk, directory, manifestOf(index, segments))),
    pause: () => upkeep.pause(),
  };
  const index = new KeyIndex(parts);
  const lost = lostEnd(directory, segments.newest, checkpoint);
  let newest = await settleNewest(segments, checkpoint);
  // What is served from here on is what a name stands for: no crash may take that away again.
  await disk.syncDirectory(directory);
  const nextNumber = Math.max(opened.nextNumber, checkpoint.segment + 1);
  const writer = new LogWriter(
    { disk, log, directory, segments, segmentBytesMax: tuning.segmentBytesMax },
    { previous: endOf(segments.newest), nextNumber },
  );
  const scan = (segment: Segment, from: number): ScannedSegment => {
    if (newest !== undefined && segment === newest.segment && from === newest.from) return newest.scanned;
    return scanSegment(mustBeRead(segment.file), segment.number, from, sealedEnds.get(segment.number));
  };
  const rebuild: UpkeepParts['rebuild'] = async (how) => {
    tellDamages(options, await rebuildIndex({ index, segments, parts, tuning, sealedEnds, ...how }));
  };
  const upkeep = new Upkeep({
    disk,
    directory,
    tuning,
    log,
    environment,
    segments,
    index,
    writer,
    turns,
    rebuild,
    emptiedByDamage: options.emptiedByDamage ?? [],
  });
  restoreCounts(segments, runs === undefined ? undefined : manifest);
  if (manifest !== undefined && runs !== undefined) index.restore(runs, manifest.ranges, checkpoint);
  await removeStray(disk, directory, names, runs ?? []);
  const replayed = await replayLog({
    segments,
    index,
    from: checkpoint,
    scan,
    fileOf: ({ file }) => mustBeRead(file),
    countsTombstones: true,
    applied: async (position) => {
      if (index.memtableEntries < tuning.memtableEntriesMax) return;
      index.freeze(position);
      await index.flush();
      // The other merges come when the engine serves: one of the whole index would keep a start waiting.
      if (index.runs.length >= RUNS_HURRY) await index.merge();
    },
  });
  newest = undefined;
  const damages = [...lost, ...replayed];
  tellDamages(options, damages);
  const openCopy = async (copyDirectory: string): Promise<LogEngine> => {
    if ((await listIfThere(disk, copyDirectory)).length > 0) {
      throw new StorageError('io', `${copyDirectory} is not empty`);
    }
    return await open({ disk, directory: copyDirectory, tuning, log }, environment);
  };
  const engine = new LogEngine({ log, environment, segments, index, writer, turns, upkeep, openCopy });
  if (damages.some(({ kind }) => kind === 'rot that hides keys')) await emptyRanges(engine, options);
  return engine;
}

async function emptyRanges(engine: LogEngine, { emptiedByDamage = [] }: LogEngineOptions): Promise<void> {
  try {
    for (const range of emptiedByDamage) await engine.deleteRange(range);
  } catch (cause) {
    await engine.close();
    throw cause;
  }
}

function tellDamages({ log, damaged }: LogEngineOptions, damages: readonly LogDamage[]): void {
  for (const damage of damages) {
    const { file, from, to, kind } = damage;
    log?.warn('the log is damaged', { file, from, to, kind });
    damaged?.(damage);
  }
}

/** A log that ends before the checkpoint has lost what was there, and perhaps newer writes behind it. */
function lostEnd(directory: string, newest: Segment | undefined, checkpoint: Position): readonly LogDamage[] {
  const end = newest === undefined ? LOG_START : { segment: newest.number, offset: newest.file.size };
  if (!isBefore(end, checkpoint)) return [];
  const from = end.segment === checkpoint.segment ? end.offset : 0;
  const file = segmentPath(directory, checkpoint.segment);
  return [{ file, from, to: checkpoint.offset, kind: 'rot that hides keys' }];
}

/**
 * Finds the end of the log, and writes once more what no frame says was on disk. A sync that failed before the process
 * was killed leaves bytes that can be read and are on no disk, and the next sync does not tell (Rebello et al., 2020).
 * A segment of which no frame says anything was perhaps just begun: its header is written once more as well.
 */
async function settleNewest(segments: SegmentSet, checkpoint: Position) {
  const segment = segments.newest;
  if (segment === undefined) return undefined;
  const start = checkpoint.segment === segment.number ? checkpoint.offset : SEGMENT_HEADER_BYTES;
  const from = Math.max(start, SEGMENT_HEADER_BYTES);
  const scanned = scanSegment(mustBeRead(segment.file), segment.number, from);
  const { end } = scanned;
  const { file } = segment;
  const settledEnd = scanned.syncedEnd === 0 ? 0 : Math.max(from, scanned.syncedEnd);
  // It may have lost its end.
  const there = Math.min(end, file.size);
  for (let at = settledEnd; at < there; at += REWRITE_BYTES) {
    await file.write(at, file.read(at, Math.min(REWRITE_BYTES, there - at)));
  }
  await file.sync();
  segment.end = end;
  return { segment, from, scanned };
}

/** Undefined if one of them is missing or damaged. */
async function openRuns(
  { disk, directory, neededAtStart }: LogEngineOptions,
  manifest: Manifest,
  cache: BlockCache,
): Promise<readonly Run[] | undefined> {
  const runs: Run[] = [];
  try {
    for (const { number, purgedTo } of manifest.runs)
      runs.push(await Run.open(disk, directory, number, purgedTo, cache));
    if (neededAtStart !== undefined) for (const run of runs) run.check(neededAtStart);
    return runs;
  } catch (cause) {
    for (const run of runs) await run.retire();
    const isDamage =
      (cause instanceof StorageError && cause.code === 'corrupt') ||
      (cause instanceof DiskError && cause.code === 'missing');
    if (!isDamage) throw cause;
    return undefined;
  }
}

/** Segments from before the checkpoint that the manifest does not know were collected: nothing lives in them. */
function restoreCounts(segments: SegmentSet, manifest: Manifest | undefined): void {
  if (manifest === undefined) return;
  const known = new Map(manifest.segments.map((segment) => [segment.number, segment]));
  for (const segment of segments.all()) {
    const counts = known.get(segment.number);
    if (counts !== undefined) {
      segment.deadBytes = counts.deadBytes;
      segment.tombstoneBytes = counts.tombstoneBytes;
    } else if (segment.number < manifest.checkpoint.segment) {
      segment.deadBytes = segment.bytes;
    }
  }
}

function manifestOf(index: KeyIndex, segments: SegmentSet): Manifest {
  return {
    checkpoint: index.checkpoint,
    runs: index.runs.map(({ number, purgedTo }) => ({ number, purgedTo })),
    ranges: index.ranges,
    segments: [...segments.all()].map(({ number, deadBytes, tombstoneBytes }) => {
      return { number, deadBytes, tombstoneBytes };
    }),
  };
}

/** Runs that no manifest names: unfinished, or merged into others. */
async function removeStray(
  disk: Disk,
  directory: string,
  names: readonly string[],
  runs: readonly Run[],
): Promise<void> {
  for (const number of runNumbers(names)) {
    if (!runs.some((run) => run.number === number)) await disk.remove(runPath(directory, number));
  }
}

async function makeDurableDirectory(disk: Disk, directory: string): Promise<void> {
  await disk.makeDirectory(directory);
  const slash = directory.lastIndexOf('/');
  await disk.syncDirectory(slash < 0 ? '' : directory.slice(0, slash));
}

async function listIfThere(disk: Disk, directory: string): Promise<readonly string[]> {
  try {
    return await disk.list(directory);
  } catch (cause) {
    if (cause instanceof DiskError && cause.code === 'missing') return [];
    throw cause;
  }
}
