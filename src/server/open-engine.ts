import { Buffer } from 'node:buffer';
import type { Configuration } from '../config/index.ts';
import type { Environment } from '../environment/index.ts';
import { openLevelEngine, openMemoryEngine, type StorageEngine } from '../storage/index.ts';
import { StartError } from './start-error.ts';

const levelDirectory = 'leveldb';
const probeFile = 'storage-probe';
/** As much as opening a database again may write. */
const probeBytes = 4 * 1024 * 1024;

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
  const options = {
    directory: `${dataDirectory}/${levelDirectory}`,
    tuning: {
      cacheBytes: configuration['leveldb.cache_size'],
      writeBufferBytes: configuration['leveldb.write_buffer_size'],
      blockBytes: configuration['leveldb.block_size'],
      compression: configuration['leveldb.compression'],
      openFilesMax: configuration['leveldb.max_open_files'],
    },
    probe: () => probeDisk(environment),
    log: environment.log,
  };
  return openLevelEngine(options, environment);
}

/** Resolves if the disk takes bytes. */
async function probeDisk({ disk }: Pick<Environment, 'disk'>): Promise<void> {
  const file = await disk.open(probeFile, { create: true });
  try {
    await file.write(0, Buffer.alloc(probeBytes));
    await file.sync();
  } finally {
    await file.close();
    await disk.remove(probeFile);
  }
}
