import type { Database } from '../database.ts';
import { databaseOver, timeoutMsDefault } from '../transport-database.ts';
import type { PoolEnvironment } from './connection-pool.ts';
import { type RemoteOwner, RemoteTransport } from './remote-transport.ts';
import { parseServerAddresses } from './server-address.ts';

export interface RemoteDatabaseOptions {
  /** Milliseconds of a call that is given none. Default: 30,000. */
  readonly timeoutMs?: number;
  /** Milliseconds to reach any node. Default: 5,000. */
  readonly connectTimeoutMs?: number;
  /** Default: 16. A connection carries one request at a time. */
  readonly connectionsPerHostMax?: number;
  /** Calls that may wait for a connection; the next is refused with `overload`. Default: 10,000. */
  readonly waitingMax?: number;
  readonly signal?: AbortSignal;
}

/** Resolves when a node answered; rejects with `unavailable` if none did within `connectTimeoutMs`. */
export async function openRemote(
  address: string,
  environment: PoolEnvironment,
  options: RemoteDatabaseOptions = {},
  owner: RemoteOwner = {},
): Promise<Database> {
  const { timeoutMs = timeoutMsDefault, connectTimeoutMs = 5000, signal } = options;
  const transport = new RemoteTransport(parseServerAddresses(address), environment, {
    timeoutMs,
    connectTimeoutMs,
    connectionsPerHostMax: options.connectionsPerHostMax ?? 16,
    waitingMax: options.waitingMax ?? 10_000,
    ...owner,
  });
  try {
    await transport.ping({ signal, timeoutMs: connectTimeoutMs });
  } catch (error) {
    await transport.close();
    throw error;
  }
  return databaseOver(transport, environment, timeoutMs);
}
