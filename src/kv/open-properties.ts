import type { Log } from '../environment/index.ts';
import type { GroupCommit } from '../storage/index.ts';
import { adoptProperties } from './adopt-properties.ts';
import type { StorageBackends } from './backend-rules.ts';
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
  readonly backends: StorageBackends | undefined;
}): Promise<PropertyStore> {
  const { commit, registry, defaults, timeoutMs, log, backends } = parts;
  const own = await EngineRegistry.open(commit);
  if (registry !== undefined) await adoptProperties(own, registry, timeoutMs);
  const { unknownDamage } = own;
  const agreed = registry ?? own;
  return new PropertyStore({ registry: agreed, defaults, log, timeoutMs, unknownDamage, backends });
}
