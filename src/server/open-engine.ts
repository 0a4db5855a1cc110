import { Buffer } from 'node:buffer';
import { type BackendKind, type Configuration, usualCacheBytes } from '../config/index.ts';
import { type Disk, DiskError, type Environment } from '../environment/index.ts';
import { doubtfulRanges, isObjectEntry, nodeRange } from '../kv/index.ts';
import {
  cachedEngine,
  lastRunsOf,
  markDamagedBlocks,
  openLevelEngine,
  openMemoryEngine,
  RepairMarkFile,
  refuseSeveralBackends,
  type StorageEngine,
  StorageError,
} from '../storage/index.ts';
import { bucketEntries, openBackends } from './open-backends.ts';
import { StartError } from './start-error.ts';

const percent = 100;
const probeFile = 'storage-probe';
const repairMarkFile = 'storage-repair';
const megabyte = 2 ** 20;
/** What opening writes besides the tables: a manifest, an empty journal. */
const openingBytesMax = 4 * megabyte;

export type EngineKind = BackendKind;

/** Of an engine that has a directory of its own, and what it is called beside that. */
export interface EnginePlace {
  readonly directory: string;
  readonly repairMark: string;
  /** For values that were read last. */
  readonly cacheBytes: number;
}

/**
 * Opens the engine that the configuration names. `dataDirectory` is a path for the operating system, exists,
 * and is locked by the caller; the memory engine needs none. `memoryBytes`: see `NodeParts`. Rejects with `StorageError` or `StartError`.
 */
export async function openEngine(
  configuration: Configuration,
  dataDirectory: string | undefined,
  environment: Environment,
  memoryBytes?: number,
): Promise<StorageEngine> {
  const { storage_backend: kind, 'storage.value_cache_size': asked } = configuration;
  const allBytes = asked === 'auto' ? usualCacheBytes(memoryBytes) : asked;
  const cacheBytes = Math.floor(allBytes / enginesOnDisk(configuration));
  const open = (each: EngineKind, place: EnginePlace) =>
    openKind(each, place, configuration, dataDirectory, environment);
  if (kind === 'multi') {
    return openBackends(configuration, environment, (each, name) =>
      name === undefined
        ? openDefault(each, open, cacheBytes, environment)
        : open(each, { directory: `backend-${name}`, repairMark: `${repairMarkFile}-${name}`, cacheBytes }),
    );
  }
  const engine = await openDefault(kind, open, cacheBytes, environment);
  try {
    refuseSeveralBackends(engine, bucketEntries(configuration));
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** They share the cache of values. */
function enginesOnDisk(configuration: Configuration): number {
  const kinds = [...configuration['multi_backend.backends'].values()];
  const { storage_backend: kind } = configuration;
  return kind === 'multi' ? Math.max(1, kinds.filter((each) => each !== 'memory').length) : 1;
}

/** The one engine of a node, or the default one of several. */
async function openDefault(
  kind: EngineKind,
  open: (kind: EngineKind, place: EnginePlace) => Promise<StorageEngine>,
  cacheBytes: number,
  { disk }: Environment,
): Promise<StorageEngine> {
  if (kind === 'leveldb') await refuseOthersData(disk, 'leveldb', 'log');
  if (kind === 'log') await refuseOthersData(disk, 'log', 'leveldb');
  return open(kind, { directory: kind, repairMark: repairMarkFile, cacheBytes });
}

async function openKind(
  kind: EngineKind,
  { directory, repairMark, cacheBytes }: EnginePlace,
  configuration: Configuration,
  dataDirectory: string | undefined,
  environment: Environment,
): Promise<StorageEngine> {
  const { disk, log } = environment;
  if (kind === 'memory') return openMemoryEngine({ log }, environment);
  if (dataDirectory === undefined) {
    throw new StartError('configuration', `storage_backend = "${kind}" needs a data directory`);
  }
  if (kind === 'log') {
    const { openLogEngine } = await import('../storage/log/index.ts');
    const tuning = logTuning(configuration);
    const options = {
      disk,
      directory,
      tuning,
      log,
      emptiedByDamage: doubtfulRanges,
      neededAtStart: nodeRange,
    };
    return cachedEngine(
      await openLogEngine(options, environment),
      cacheBytes,
      environment.tasks,
      isObjectEntry,
    );
  }
  const markDamage = () => markDamagedBlocks(directory, disk, log);
  const lastRuns = await lastRunsOf(directory, disk);
  const isDamaged = lastRuns === 'damaged' || (lastRuns === 'suspect' && (await markDamage()) > 0);
  const options = {
    directory: `${dataDirectory}/${directory}`,
    tuning: {
      cacheBytes: configuration['leveldb.cache_size'],
      writeBufferBytes: configuration['leveldb.write_buffer_size'],
      blockBytes: configuration['leveldb.block_size'],
      compression: configuration['leveldb.compression'],
      openFilesMax: configuration['leveldb.max_open_files'],
    },
    probe: () => probeDisk(environment, bytesToOpen(configuration)),
    markDamage,
    isDamaged,
    emptiedByRepair: doubtfulRanges,
    repairMark: new RepairMarkFile(disk, repairMark),
    log,
  };
  return cachedEngine(
    await openLevelEngine(options, environment),
    cacheBytes,
    environment.tasks,
    isObjectEntry,
  );
}

function logTuning(configuration: Configuration) {
  return {
    segmentBytesMax: configuration['log_engine.segment_size'],
    memtableEntriesMax: configuration['log_engine.memtable_keys'],
    garbageShare: configuration['log_engine.garbage_threshold'] / percent,
    cacheBytesMax: configuration['log_engine.cache_size'],
    pageBytesMax: configuration['log_engine.page_cache_size'],
  };
}

/** A node whose data another engine holds must not come up empty. */
async function refuseOthersData(disk: Disk, own: string, other: string): Promise<void> {
  if ((await hasFiles(disk, own)) || !(await hasFiles(disk, other))) return;
  const text = `the data directory holds the data of the engine "${other}", which "${own}" does not read: start with storage_backend = "${other}"`;
  throw new StartError('configuration', text);
}

async function hasFiles(disk: Disk, directory: string): Promise<boolean> {
  try {
    return (await disk.list(directory)).length > 0;
  } catch (error) {
    if (error instanceof DiskError && error.code === 'missing') return false;
    throw error;
  }
}

/**
 * Opening turns the journals that are left, of up to two write buffers, into tables. A database that was
 * closed and cannot be opened again for want of space serves no reads either: better to wait for more space.
 */
function bytesToOpen(configuration: Configuration): number {
  return 2 * configuration['leveldb.write_buffer_size'] + openingBytesMax;
}

/** Resolves if the disk takes so many bytes. Asks first: the last free bytes may be others' to use. */
async function probeDisk({ disk }: Pick<Environment, 'disk'>, byteCount: number): Promise<void> {
  const free = await disk.freeBytes();
  if (free < byteCount) {
    const message = `no space left on device: going on needs ${byteCount} bytes, ${free} are free`;
    throw new StorageError('full', message);
  }
  const file = await disk.open(probeFile, { create: true });
  try {
    const zeros = Buffer.alloc(megabyte);
    for (let at = 0; at < byteCount; at += zeros.length) await file.write(at, zeros);
    await file.sync();
  } finally {
    await file.close();
    await disk.remove(probeFile);
  }
}
