/** A remote database over this machine's network; what `hale/client` adds to the pure client. */
import { type Database, openRemote, type RemoteDatabaseOptions } from './client/index.ts';
import { databaseCrash } from './database-crash.ts';
import { nodeEnvironment, silentLog } from './runtime/index.ts';

/** `address` is `hale://host:port,host2:port`. */
export function openServers(address: string, options: RemoteDatabaseOptions = {}): Promise<Database> {
  const crash = databaseCrash();
  const environment = nodeEnvironment({ log: silentLog, crash: crash.handler });
  const closed = (): Promise<void> => environment.close();
  return openRemote(address, environment, options, { crashed: crash.signal, closed });
}
