/** The package's face: a database in this process or elsewhere, by one interface. */
import {
  type BucketTypeProperties,
  type Database,
  databaseOver,
  HaleError,
  type RemoteDatabaseOptions,
  timeoutMsDefault,
} from './client/index.ts';
import { type Configuration, configurationWith } from './config/index.ts';
import { databaseCrash } from './database-crash.ts';
import type { Log } from './environment/index.ts';
import { openServers } from './open-remote.ts';
import {
  DataDirectoryLockedError,
  lockDataDirectory,
  NodeHttpServer,
  nodeEnvironment,
  openLog,
  openSandboxPool,
  silentLog,
} from './runtime/index.ts';
import { EmbeddedTransport, ensureBucketTypes } from './server/embedded/index.ts';
import { type HaleNode, httpServerLimits, StartError, startNode } from './server/index.ts';

export * from './client/index.ts';
export type { Configuration } from './config/index.ts';

export interface EmbeddedOptions {
  /** Milliseconds of a call that is given none. Default: 30,000. */
  readonly timeoutMs?: number;
  /** Any settings of the node. Listeners are off unless they are given here. */
  readonly configuration?: Partial<Configuration>;
  /** Bucket types to be there when `open` resolves, by name: made or updated if need be. Others stay as they are. */
  readonly bucketTypes?: Readonly<Record<string, BucketTypeProperties>>;
}

export type OpenOptions = EmbeddedOptions & RemoteDatabaseOptions;

/** Few partitions start and list faster; a test's data does not outlive it. */
const testRingSize = 8;

/**
 * Opens a database: `hale://host:port,host2` talks to running nodes; anything else is the directory of
 * a node that runs in this process. Rejects with `HaleError`: `unavailable`, `invalid_argument`, or
 * `storage` if the directory is in use or unreadable.
 */
export function open(location: string, options: OpenOptions = {}): Promise<Database> {
  if (location.startsWith('hale://')) return openServers(location, options);
  return openDirectory(location, options);
}

export interface TestCluster extends AsyncDisposable {
  readonly db: Database;
  close(): Promise<void>;
}

/** A node in memory, without ports, for tests. */
export async function testCluster(options: EmbeddedOptions = {}): Promise<TestCluster> {
  const configuration = embedded({
    storage_backend: 'memory',
    ring_size: testRingSize,
    ...options.configuration,
  });
  const db = await openNode(configuration, undefined, silentLog, options);
  const close = (): Promise<void> => db.close();
  return { db, close, [Symbol.asyncDispose]: close };
}

async function openDirectory(directory: string, options: EmbeddedOptions): Promise<Database> {
  const configuration = embedded({ ...options.configuration, platform_data_dir: directory });
  const lock = locked(directory, configuration.nodename);
  const log = openLog({ level: 'warn', format: 'human', fields: { node: configuration.nodename } });
  try {
    return await openNode(configuration, lock, log, options);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function embedded(changes: Partial<Configuration>): Configuration {
  return configurationWith({
    'listener.http.internal': 'off',
    'listener.protobuf.internal': 'off',
    'listener.cluster.internal': 'off',
    ...changes,
  });
}

function locked(directory: string, nodeName: string): ReturnType<typeof lockDataDirectory> {
  try {
    return lockDataDirectory(directory, nodeName);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const isTaken = cause instanceof DataDirectoryLockedError;
    throw new HaleError('storage', isTaken ? text : `cannot use directory ${directory}: ${text}`, { cause });
  }
}

async function openNode(
  configuration: Configuration,
  lock: ReturnType<typeof lockDataDirectory> | undefined,
  log: Log,
  { timeoutMs = timeoutMsDefault, bucketTypes = {} }: EmbeddedOptions,
): Promise<Database> {
  const dataDirectory = lock?.directory;
  const crash = databaseCrash();
  const environment = nodeEnvironment({
    log,
    crash: crash.handler,
    ...(dataDirectory === undefined ? {} : { dataDirectory }),
  });
  try {
    const node = await startNode(configuration, {
      environment,
      version: 'embedded',
      openSandbox: openSandboxPool(log),
      ...(dataDirectory === undefined ? {} : { dataDirectory }),
      ...(configuration['listener.http.internal'] === 'off'
        ? {}
        : { http: new NodeHttpServer(log, httpServerLimits(configuration)) }),
    });
    await ensured(node, bucketTypes);
    const closeAfter = async (stopped: Promise<void>): Promise<void> => {
      try {
        await stopped;
        await environment.close();
      } finally {
        lock?.release();
      }
    };
    const transport = new EmbeddedTransport({
      store: node.store,
      datatypes: node.database.datatypes,
      indexes: node.database.store.indexes,
      feeds: node.database.store.feeds,
      mapReduce: node.mapReduce,
      streams: node.database.largeValues.streams,
      environment,
      timeoutMs,
      close: () => closeAfter(node.stop()),
      // The crash is what is to be told; that its end was not clean is for the log.
      halt: () =>
        closeAfter(node.halt()).catch((error: unknown) =>
          log.error('the node was not stopped in order', { error: String(error) }),
        ),
      crashed: crash.signal,
    });
    return databaseOver(transport, environment, timeoutMs);
  } catch (cause) {
    await environment.close();
    if (!(cause instanceof StartError)) throw cause;
    const code = cause.code === 'address' || cause.code === 'configuration' ? 'invalid_argument' : 'storage';
    throw new HaleError(code, cause.message, { cause });
  }
}

/** Stops the node if it cannot have them. */
async function ensured(node: HaleNode, types: Readonly<Record<string, BucketTypeProperties>>): Promise<void> {
  try {
    await ensureBucketTypes(node.database.store.bucketTypes, types);
  } catch (error) {
    await node.stop();
    throw error;
  }
}
