/**
 * Whether what the cluster does just now allows to forget tombstones of a key (C8): nobody is away who could come
 * back with an older copy, nobody holds stray data that could be one, and no copy of it is under way.
 */
import type { Partition } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';

/** Of the key whose `n` partitions begin with `first`. */
export function isReapingSafe(topology: Topology, first: Partition, n: number): boolean {
  if (!topology.isSettled) return false;
  for (let step = 0; step < n; step += 1) {
    if (topology.isMoving(topology.ring.after(first, step))) return false;
  }
  return true;
}
