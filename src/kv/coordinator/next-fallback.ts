/**
 * Who takes the place of a replica that turns out to be out of reach in the middle of a write: the sloppy quorum
 * of Dynamo §4.6, decided when it is needed and not only when liveness has noticed.
 */
import type { PreferenceList, Replica } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { NodeId } from '../../environment/index.ts';

/**
 * In ring order past the partitions of the list, a node that is up and not in `list`, or else any that is up; none
 * of those that have `failed`. Undefined: nobody is left.
 */
export function nextFallback(
  topology: Topology,
  list: PreferenceList,
  failed: ReadonlySet<NodeId>,
): NodeId | undefined {
  const { ring } = topology;
  const inUse = new Set<NodeId>();
  for (const { node } of list) inUse.add(node);
  let usedBefore: NodeId | undefined;
  for (let step = 0; step < ring.size; step += 1) {
    const node = ring.ownerOf(ring.after(list[0].partition, list.length + step));
    if (failed.has(node) || !topology.isUp(node)) continue;
    if (!inUse.has(node)) return node;
    usedBefore ??= node;
  }
  return usedBefore;
}

/** How often the answer for one position is looked for elsewhere. */
const standInsMax = 2;

/** Who was given the places of which replicas, in one request. */
export class StandIns {
  readonly #topology: Topology;
  /** Nodes that did not take a part of the request. */
  readonly #failed = new Set<NodeId>();
  /** How often each position was given to another. */
  readonly #given = new Map<number, number>();

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  /**
   * Whom to ask instead of the replica at `position`, whose node has failed: the next fallback, and if that fails too
   * this node itself, which alone is certainly within reach: a node that is cut off, and does not know it yet, would
   * else ask one after the other in vain. Undefined: nobody is left, or enough have been tried.
   */
  next(list: PreferenceList, position: number): Replica | undefined {
    const { partition, node: failed } = list[position];
    this.#failed.add(failed);
    const given = this.#given.get(position) ?? 0;
    const node = this.#choose(list, given);
    if (node === undefined) return undefined;
    this.#given.set(position, given + 1);
    return { partition, node, primary: false };
  }

  #choose(list: PreferenceList, given: number): NodeId | undefined {
    const topology = this.#topology;
    if (given >= standInsMax) return undefined;
    if (given < standInsMax - 1) return nextFallback(topology, list, this.#failed);
    return this.#failed.has(topology.self) || !mayStandIn(topology) ? undefined : topology.self;
  }
}

/**
 * Whether this node may take the place of a replica that it cannot reach. Not one that owns nothing: it may have left,
 * and those who do not answer it may have struck it off. What it took nobody would ever ask it for.
 */
export function mayStandIn({ ring, self }: Topology): boolean {
  return ring.owners.includes(self);
}
