import type { Log } from '../environment/index.ts';
import type { GroupCommit } from '../storage/index.ts';
import { adoptProperties } from './adopt-properties.ts';
import type { BucketProperties } from './bucket-properties.ts';
import { EngineRegistry } from './engine-registry.ts';
import { PropertyStore } from './property-store.ts';
import type { Registry } from './registry.ts';

/**
 * The properties of the cluster's buckets, if there is one; it gets what the node knew before. Rejects with
 * `StorageError`, and with `KvFailure` if the cluster does not take that.
 */
export async function openProperties(parts: {
  readonly commit: GroupCommit;
  readonly registry: Registry | undefined;
  readonly defaults: BucketProperties;
  readonly timeoutMs: number;
  readonly log: Log;
}): Promise<PropertyStore> {
  const { commit, registry, defaults, timeoutMs, log } = parts;
  const own = await EngineRegistry.open(commit);
  if (registry !== undefined) await adoptProperties(own, registry, timeoutMs);
  const { unknownDamage } = own;
  return new PropertyStore({ registry: registry ?? own, defaults, log, timeoutMs, unknownDamage });
}
