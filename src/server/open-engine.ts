import { Buffer } from 'node:buffer';
import type { Configuration } from '../config/index.ts';
import { type Disk, DiskError, type Environment } from '../environment/index.ts';
import { identityRange } from '../kv/index.ts';
import {
  cachedEngine,
  type LogEngineOptions,
  lastRunsOf,
  markDamagedBlocks,
  openLevelEngine,
  openLogEngine,
  openMemoryEngine,
  RepairMarkFile,
  type StorageEngine,
  StorageError,
} from '../storage/index.ts';
import { StartError } from './start-error.ts';

const levelDirectory = 'leveldb';
const logDirectory = 'log';
const percent = 100;
const probeFile = 'storage-probe';
const repairMarkFile = 'storage-repair';
const megabyte = 2 ** 20;
/** What opening writes besides the tables: a manifest, an empty journal. */
const openingBytesMax = 4 * megabyte;

/**
 * Opens the engine that the configuration names. `dataDirectory` is a path for the operating system, exists,
 * and is locked by the caller; the memory engine needs none. Rejects with `StorageError` or `StartError`.
 */
export async function openEngine(
  configuration: Configuration,
  dataDirectory: string | undefined,
  environment: Environment,
): Promise<StorageEngine> {
  if (configuration.storage_backend === 'memory') {
    return openMemoryEngine({ log: environment.log }, environment);
  }
  if (dataDirectory === undefined) {
    const text = `storage_backend = "${configuration.storage_backend}" needs a data directory`;
    throw new StartError('configuration', text);
  }
  const { disk, log } = environment;
  if (configuration.storage_backend === 'log') {
    await refuseOthersData(disk, logDirectory, levelDirectory);
    const engine = await openLogEngine(logOptions(configuration, environment), environment);
    return cachedEngine(engine, configuration['storage.value_cache_size']);
  }
  await refuseOthersData(disk, levelDirectory, logDirectory);
  const markDamage = () => markDamagedBlocks(levelDirectory, disk, log);
  const lastRuns = await lastRunsOf(levelDirectory, disk);
  const isDamaged = lastRuns === 'damaged' || (lastRuns === 'suspect' && (await markDamage()) > 0);
  const options = {
    directory: `${dataDirectory}/${levelDirectory}`,
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
    emptiedByRepair: [identityRange],
    repairMark: new RepairMarkFile(disk, repairMarkFile),
    log,
  };
  return cachedEngine(await openLevelEngine(options, environment), configuration['storage.value_cache_size']);
}

function logOptions(configuration: Configuration, { disk, log }: Environment): LogEngineOptions {
  const tuning = {
    segmentBytesMax: configuration['log_engine.segment_size'],
    memtableEntriesMax: configuration['log_engine.memtable_keys'],
    garbageShare: configuration['log_engine.garbage_threshold'] / percent,
    cacheBytesMax: configuration['log_engine.cache_size'],
    pageBytesMax: configuration['log_engine.page_cache_size'],
  };
  return { disk, directory: logDirectory, tuning, log, emptiedByDamage: [identityRange] };
}

/** A node whose data another engine holds must not come up empty. */
async function refuseOthersData(disk: Disk, own: string, other: string): Promise<void> {
  if ((await hasFiles(disk, own)) || !(await hasFiles(disk, other))) return;
  const text = `the data directory holds the data of the engine "${other}"; it is not read by "${own}"`;
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
