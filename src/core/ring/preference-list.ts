/**
 * Who is asked about a name: the n partitions that hold it, each served by its owner (a *primary*) or,
 * while the owner is down, by another live node that stands in for it (a *fallback*; Dynamo §4.6, sloppy
 * quorum). A fallback serves the missing owner's partition, not its own, so that what it stores can be
 * handed to that owner later.
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

/** What decides between fallbacks, beside the order of the ring. */
export interface FallbackChoice {
  /** Fallbacks in locations that the list does not have yet are preferred; undefined: the node is its own. */
  readonly locationOf?: (node: NodeId) => string | undefined;
  /**
   * The node that is rebuilding the partition: its first fallback, whether it owns anything or not, if it is up
   * and holds no other replica of the list. In the latter case what is written meanwhile is stray data elsewhere.
   */
  readonly standInFor?: (partition: Partition) => NodeId | undefined;
}

/**
 * Fallbacks are chosen in ring order past the n partitions: first among nodes that hold no other replica of
 * the list, those in new locations before the rest; then, when there are none left, among any that are up:
 * with one node alive it serves all n.
 */
export function preferenceList(
  ring: Ring,
  first: Partition,
  n: number,
  isUp: (node: NodeId) => boolean,
  choice: FallbackChoice = {},
): PreferenceList {
  const count = Math.min(n, ring.size);
  const replicas: (Replica | undefined)[] = new Array(count).fill(undefined);
  const taken = new TakenNodes(choice.locationOf);
  let missing = count;
  const place = (step: number, node: NodeId, primary: boolean): void => {
    replicas[step] = { partition: ring.after(first, step), node, primary };
    taken.add(node);
    missing -= 1;
  };
  for (let step = 0; step < count; step += 1) {
    const owner = ring.ownerOf(ring.after(first, step));
    if (isUp(owner)) place(step, owner, true);
  }
  if (missing === 0) return replicas as Replica[];
  for (let step = 0; step < count; step += 1) {
    if (replicas[step] !== undefined) continue;
    const standIn = choice.standInFor?.(ring.after(first, step));
    if (standIn !== undefined && isUp(standIn) && !taken.has(standIn)) place(step, standIn, false);
  }
  const candidates = fallbackOrder(ring, first, count, isUp);
  let next = 0;
  for (let step = 0; step < count && candidates.length > 0; step += 1) {
    if (replicas[step] !== undefined) continue;
    place(step, taken.bestOf(candidates) ?? candidates[next++ % candidates.length], false);
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

/** The nodes that already serve in a list, and where they stand. */
class TakenNodes {
  readonly #nodes = new Set<NodeId>();
  readonly #locations = new Set<string>();
  readonly #locationOf: ((node: NodeId) => string | undefined) | undefined;

  constructor(locationOf: ((node: NodeId) => string | undefined) | undefined) {
    this.#locationOf = locationOf;
  }

  add(node: NodeId): void {
    this.#nodes.add(node);
    const location = this.#locationOf?.(node);
    if (location !== undefined) this.#locations.add(location);
  }

  has(node: NodeId): boolean {
    return this.#nodes.has(node);
  }

  bestOf(candidates: readonly NodeId[]): NodeId | undefined {
    let untaken: NodeId | undefined;
    for (const node of candidates) {
      if (this.#nodes.has(node)) continue;
      const location = this.#locationOf?.(node);
      if (location === undefined || !this.#locations.has(location)) return node;
      untaken ??= node;
    }
    return untaken;
  }
}

function fallbackOrder(ring: Ring, first: Partition, n: number, isUp: (node: NodeId) => boolean): NodeId[] {
  const order = new Set<NodeId>();
  for (let step = 0; step < ring.size; step += 1) {
    const node = ring.ownerOf(ring.after(first, n + step));
    if (isUp(node)) order.add(node);
  }
  return [...order];
}
