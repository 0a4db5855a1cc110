/**
 * Brings bucket properties that a node kept by itself into the registry of its cluster, once: what the registry
 * has already stays, and the node's own records go when all are in. Of an unreadable record it is registered that
 * it was there, so that the bucket refuses writes until somebody says what it is to have.
 */
import type { ByteString } from '../stdx/index.ts';
import type { EngineRegistry } from './engine-registry.ts';
import { KvFailure } from './key-value-store.ts';
import { propertiesPrefix } from './properties-name.ts';
import type { Registry } from './registry.ts';

/** Entries of one proposal: with the bound of each, a fraction of what a log entry may hold. */
const proposalEntriesMax = 16;

/** Rejects with `KvFailure` if the cluster does not agree in time, and with `StorageError`. */
export async function adoptProperties(
  own: EngineRegistry,
  registry: Registry,
  timeoutMs: number,
): Promise<void> {
  const names = own.names(propertiesPrefix);
  if (names.length === 0) return;
  for (;;) {
    const missing = names.filter((name) => registry.get(name) === undefined).slice(0, proposalEntriesMax);
    if (missing.length === 0) break;
    await register(missing, own, registry, timeoutMs);
  }
  await own.clear();
}

async function register(
  names: readonly ByteString[],
  own: EngineRegistry,
  registry: Registry,
  timeoutMs: number,
): Promise<void> {
  const changes = names.map((name) => ({ name, value: own.get(name)?.value, expected: 0 }));
  const { history } = registry;
  const outcome = await registry.propose(changes, timeoutMs);
  // After a conflict the registry has some of them, which are missing no more; in a cluster that was joined meanwhile all may be.
  if (outcome.kind === 'failed' && registry.history === history) throw new KvFailure(outcome.error);
}
