import type { Partition } from '../core/ring/index.ts';
import type { Topology } from '../core/topology/index.ts';
import type { NameHash } from './coordinator/index.ts';
import type { BucketAddress, ObjectAddress } from './key-value-store.ts';

export interface FirstReplicaParts {
  readonly topology: Topology;
  readonly names: NameHash;
  /** Undefined: nobody knows such a bucket type. */
  readonly placementOf: (address: BucketAddress) => { readonly bucketOnly: boolean } | undefined;
}

/**
 * Whether the partition is the first in the ring that holds a replica of the key. That one looks after it, so that what is
 * to be done for a key now and then is done once, and not by each replica.
 */
export function isFirstReplica(
  partition: Partition,
  address: ObjectAddress,
  { topology, names, placementOf }: FirstReplicaParts,
): boolean {
  const placement = placementOf(address);
  if (placement === undefined) return false;
  return topology.ring.partitionOf(names.of(address, placement.bucketOnly)) === partition;
}
