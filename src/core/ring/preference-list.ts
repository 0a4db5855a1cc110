/**
 * Who is asked about a name: the n partitions that hold it, each served by its owner (a *primary*) or,
 * while the owner is down, by the next live node clockwise that stands in for it (a *fallback*;
 * Dynamo §4.6, sloppy quorum). A fallback serves the missing owner's partition, not its own, so that
 * what it stores can be handed to that owner later.
 */
import type { NodeId } from '../../environment/index.ts';
import type { Partition, Ring } from './ring.ts';

export interface Replica {
  /** The partition that the replica's data is stored under. */
  readonly partition: Partition;
  readonly node: NodeId;
  readonly primary: boolean;
}

/** In ring order of the partitions; shorter than n only if no node at all is up. */
export type PreferenceList = readonly Replica[];

/**
 * Fallbacks are chosen in ring order past the n partitions, first among nodes that hold no other
 * replica of the list, then, when there are none left, among any that are up: with one node alive
 * it serves all n.
 */
export function preferenceList(
  ring: Ring,
  first: Partition,
  n: number,
  isUp: (node: NodeId) => boolean,
): PreferenceList {
  const count = Math.min(n, ring.size);
  const replicas: (Replica | undefined)[] = new Array(count).fill(undefined);
  const inUse = new Set<NodeId>();
  for (let step = 0; step < count; step += 1) {
    const partition = ring.after(first, step);
    const node = ring.ownerOf(partition);
    if (!isUp(node)) continue;
    replicas[step] = { partition, node, primary: true };
    inUse.add(node);
  }
  const candidates = fallbackOrder(ring, first, count, isUp);
  let next = 0;
  for (let step = 0; step < count; step += 1) {
    if (replicas[step] !== undefined || candidates.length === 0) continue;
    const unused = candidates.find((node) => !inUse.has(node));
    const node = unused ?? candidates[next++ % candidates.length];
    inUse.add(node);
    replicas[step] = { partition: ring.after(first, step), node, primary: false };
  }
  return replicas.filter((replica) => replica !== undefined);
}

/** The primaries that are up: what `sloppy_quorum=false` asks. */
export function primariesOf(list: PreferenceList): PreferenceList {
  return list.filter((replica) => replica.primary);
}

export function distinctNodes(list: PreferenceList): number {
  return new Set(list.map((replica) => replica.node)).size;
}

function fallbackOrder(ring: Ring, first: Partition, n: number, isUp: (node: NodeId) => boolean): NodeId[] {
  const order = new Set<NodeId>();
  for (let step = 0; step < ring.size; step += 1) {
    const node = ring.ownerOf(ring.after(first, n + step));
    if (isUp(node)) order.add(node);
  }
  return [...order];
}
