/** A remote database over this machine's network; what `hale/client` adds to the pure client. */
import { type Database, HaleError, openRemote, type RemoteDatabaseOptions } from './client/index.ts';
import { nodeEnvironment, silentLog } from './runtime/index.ts';

/** An exception at the top of a callback is a bug: it ends the process, unless that catches all. */
export function crash(activity: string, cause: unknown): never {
  throw new HaleError('server', `hale failed in ${activity}`, { cause });
}

/** `address` is `hale://host:port,host2:port`. */
export function openServers(address: string, options: RemoteDatabaseOptions = {}): Promise<Database> {
  return openRemote(address, nodeEnvironment({ log: silentLog, crash }), options);
}
