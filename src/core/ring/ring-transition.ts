/** What has to travel to get from one ring to another, and the least that balance allows. */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { Partition } from './ring.ts';

export interface PartitionMove {
  readonly partition: Partition;
  readonly from: NodeId;
  readonly to: NodeId;
}

/** In the order of the partitions. */
export function movesBetween(before: readonly NodeId[], after: readonly NodeId[]): readonly PartitionMove[] {
  assert(before.length === after.length, 'a ring keeps its size');
  const moves: PartitionMove[] = [];
  before.forEach((from, partition) => {
    const to = after[partition];
    if (from !== to) moves.push({ partition: partition as Partition, from, to });
  });
  return moves;
}

/**
 * The fewest moves from `owners` to a ring that `nodes` own in balance (each ⌊Q/S⌋ or ⌈Q/S⌉ of its Q partitions),
 * whatever the preference lists look like.
 */
export function movesMin(owners: readonly NodeId[], nodes: readonly NodeId[]): number {
  assert(nodes.length > 0, 'somebody owns the ring');
  const least = Math.floor(owners.length / nodes.length);
  const extras = owners.length % nodes.length;
  const counts = new Map<NodeId, number>(nodes.map((node) => [node, 0]));
  assert(counts.size === nodes.length, 'each node is listed once');
  for (const owner of owners) {
    const count = counts.get(owner);
    if (count !== undefined) counts.set(owner, count + 1);
  }
  const held = [...counts.values()];
  const kept = held.reduce((sum, count) => sum + Math.min(count, least), 0);
  const rich = held.filter((count) => count > least).length;
  return owners.length - kept - Math.min(rich, extras);
}
