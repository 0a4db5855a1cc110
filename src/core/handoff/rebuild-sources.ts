/** Which partitions hold copies of what a partition must hold: those of every preference list that it is on. */
import type { NodeId } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState } from '../topology/index.ts';

export interface RebuildSource {
  readonly source: Partition;
  readonly owner: NodeId;
}

/**
 * A preference list is `replicas` partitions in a row, so these are the neighbours on both sides. Ascending by
 * distance, so that the nearest, which hold the most, come first. Sources whose owner is no member are left out.
 */
export function rebuildSources(state: ClusterState, partition: Partition, replicas: number): RebuildSource[] {
  const size = state.owners.length;
  const sources = new Map<Partition, NodeId>();
  for (let distance = 1; distance < Math.min(replicas, size); distance += 1) {
    for (const step of [distance, -distance]) {
      const source = ((partition + step + size) % size) as Partition;
      const owner = state.owners[source];
      if (source !== partition && state.members.has(owner)) sources.set(source, owner);
    }
  }
  return [...sources].map(([source, owner]) => ({ source, owner }));
}
