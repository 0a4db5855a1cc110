/** How good a ring is: balance, the preference lists that a single failure would hit twice, and replica sets. */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { Partition } from './ring.ts';
import { locationsOf, type RingNode } from './ring-node.ts';

/** Violations that a report names; the rest are counted. */
export const violationsListedMax = 100;

export interface Violations {
  /** Preference lists, one for each partition, that break the rule. */
  readonly count: number;
  /** The first partitions of the first `violationsListedMax` of them, in ring order. */
  readonly listed: readonly Partition[];
}

export interface RingReport {
  /** Partitions of each node that may own or does own, in the order of `nodes`, then those not in it by name. */
  readonly partitionsOfNode: ReadonlyMap<NodeId, number>;
  /** Of each location that is named; nodes without one are not in it. By name. */
  readonly partitionsOfLocation: ReadonlyMap<string, number>;
  /** Most minus least partitions over `nodes`: at most one is balanced. */
  readonly imbalance: number;
  /** Partitions owned by who is not in `nodes`. */
  readonly orphans: number;
  /** Preference lists of length n with two replicas on one node, or in one location. */
  readonly sameNode: Violations;
  readonly sameLocation: Violations;
  /** Distinct sets of nodes that hold some preference list: the fewer, the fewer failures of n nodes lose data. */
  readonly replicaSets: number;
  /** Distinct pairs of nodes that share a preference list. */
  readonly replicaPairs: number;
}

/** `n`: the length of the preference lists. Takes O(Q·n²) for a ring of Q partitions. */
export function assessRing(owners: readonly NodeId[], nodes: readonly RingNode[], n: number): RingReport {
  assert(Number.isInteger(n) && n >= 1 && n <= owners.length, 'preference lists fit the ring');
  const locationOf = locationsOf(nodes);
  const partitionsOfNode = partitionsByNode(owners, nodes);
  const counts = nodes.map(({ node }) => partitionsOfNode.get(node) ?? 0);
  const sameNode = new ViolationList();
  const sameLocation = new ViolationList();
  const sets = new Set<string>();
  const pairs = new Set<string>();
  for (let first = 0; first < owners.length; first += 1) {
    const list = Array.from({ length: n }, (_, step) => owners[(first + step) % owners.length]);
    const set = [...new Set(list)].sort();
    if (set.length < n) sameNode.add(first);
    if (new Set(list.map(locationOf)).size < n) sameLocation.add(first);
    sets.add(set.join('\n'));
    set.forEach((a, index) => {
      for (const b of set.slice(index + 1)) pairs.add(`${a}\n${b}`);
    });
  }
  return {
    partitionsOfNode,
    partitionsOfLocation: partitionsByLocation(partitionsOfNode, nodes),
    imbalance: counts.length === 0 ? 0 : Math.max(...counts) - Math.min(...counts),
    orphans: owners.length - counts.reduce((sum, count) => sum + count, 0),
    sameNode,
    sameLocation,
    replicaSets: sets.size,
    replicaPairs: pairs.size,
  };
}

class ViolationList implements Violations {
  count = 0;
  readonly listed: Partition[] = [];

  add(first: number): void {
    this.count += 1;
    if (this.listed.length < violationsListedMax) this.listed.push(first as Partition);
  }
}

function partitionsByNode(owners: readonly NodeId[], nodes: readonly RingNode[]): Map<NodeId, number> {
  const counts = new Map<NodeId, number>(nodes.map(({ node }) => [node, 0]));
  for (const owner of [...owners].sort()) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return counts;
}

function partitionsByLocation(
  partitionsOfNode: ReadonlyMap<NodeId, number>,
  nodes: readonly RingNode[],
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { node, location } of nodes) {
    if (location === undefined) continue;
    counts.set(location, (counts.get(location) ?? 0) + (partitionsOfNode.get(node) ?? 0));
  }
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
