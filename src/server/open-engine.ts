import { Buffer } from 'node:buffer';
import type { Configuration } from '../config/index.ts';
import type { Environment } from '../environment/index.ts';
import { identityRange } from '../kv/index.ts';
import {
  lastRunsOf,
  markDamagedBlocks,
  openLevelEngine,
  openMemoryEngine,
  RepairMarkFile,
  type StorageEngine,
  StorageError,
} from '../storage/index.ts';
import { StartError } from './start-error.ts';

const levelDirectory = 'leveldb';
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
    throw new StartError('configuration', 'storage_backend = "leveldb" needs a data directory');
  }
  const { disk, log } = environment;
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
  return openLevelEngine(options, environment);
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
