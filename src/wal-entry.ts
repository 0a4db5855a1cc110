/** The package's subpath `hale/wal`: the log by itself, and over this machine's files. */
import { lockDataDirectory, nodeEnvironment, silentLog } from './runtime/index.ts';
import { type WalLimits, WriteAheadLog, walLimits } from './wal/index.ts';

export * from './wal/index.ts';

export interface OpenLog extends AsyncDisposable {
  readonly log: WriteAheadLog;
  /** Writes what is queued, closes the files and releases the directory. */
  close(): Promise<void>;
}

/**
 * Opens the log in a directory of its own, which is made if it is missing, and locks it against other
 * processes. Rejects with `WalError`, or with an error of code 'locked'.
 */
export async function openLog(directory: string, limits: WalLimits = walLimits): Promise<OpenLog> {
  const lock = lockDataDirectory(directory, 'write-ahead log');
  const environment = nodeEnvironment({ dataDirectory: lock.directory, log: silentLog, crash });
  const close = async (log: WriteAheadLog | undefined): Promise<void> => {
    try {
      await log?.close();
      await environment.close();
    } finally {
      lock.release();
    }
  };
  try {
    const log = await WriteAheadLog.open(environment, '', limits);
    return { log, close: () => close(log), [Symbol.asyncDispose]: () => close(log) };
  } catch (cause) {
    await close(undefined);
    throw cause;
  }
}

/** An exception at the top of a callback is a bug: it ends the process, unless that catches all. */
function crash(activity: string, cause: unknown): never {
  throw new Error(`the log failed in ${activity}`, { cause });
}
