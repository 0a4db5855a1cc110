/**
 * Claim: which node owns which partition (Dynamo §6.2, strategy 3), from who owns it now and who shall from now on.
 *
 * Deterministic and pure: every node that asks the same question gets the same ring. What it seeks, the first before the
 * second and so on (docs/internals/claim.md, L1–L6):
 *
 * 1. any `targetN` partitions in a row, around the end too, are owned by distinct nodes;
 * 2. and lie in distinct locations;
 * 3. each node owns ⌊Q/S⌋ or ⌈Q/S⌉ partitions: this is never given up, and costs 1 and 2 nothing (L1, L2);
 * 4. few partitions move;
 * 5. few distinct sets of nodes hold a preference list.
 *
 * The present ring is adapted by as many moves as balance takes, then repaired. Where that leaves a conflict which a new
 * layout would not have, or gains nothing over one, the ring is laid out afresh.
 */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { ClaimProblem, nobody } from './claim-problem.ts';
import { closestTo, nodesOfLocations } from './layout-match.ts';
import { Placement } from './placement.ts';
import { fillIn, gather, repair } from './placement-search.ts';
import { growNodes, layOutLocations, layOutNodes } from './ring-layout.ts';
import type { RingNode } from './ring-node.ts';

export interface ClaimRequest {
  /** The present owner of each partition. Who is not among `nodes` loses all. */
  readonly owners: readonly NodeId[];
  /** Who shall own the ring, those who join among them, in any order. At least one. */
  readonly nodes: readonly RingNode[];
  /** Partitions in a row that are kept apart: `target_n_val`. */
  readonly targetN: number;
}

/** The ring to reach. Takes up to some 100 ms of the event loop for 1,024 partitions and 200 nodes. */
export function claimOwners({ owners, nodes, targetN }: ClaimRequest): readonly NodeId[] {
  const problem = new ClaimProblem(owners, nodes, targetN);
  const quotas = problem.quotas();
  const adapted = adapt(problem, quotas);
  const chosen = isWorthLayingOut(adapted) ? betterOf(adapted, layOut(problem, quotas)) : adapted;
  gather(chosen);
  return Array.from(presentIfAsGood(chosen).owner, (node) => problem.nodes[node]);
}

/** The ring in which `by` owns what `node` owns now. It is not balanced better or worse than before, if `by` is new. */
export function replaceOwner(owners: readonly NodeId[], node: NodeId, by: NodeId): readonly NodeId[] {
  assert(node !== by, 'a node is replaced by another');
  return owners.map((owner) => (owner === node ? by : owner));
}

function adapt(problem: ClaimProblem, quotas: Int32Array): Placement {
  const placement = new Placement(problem, problem.before);
  fillIn(placement, quotas);
  // With as few nodes as that hardly any ring will do, and none that is near.
  if (problem.nodeCount > problem.separableNodesMin) repair(placement, 'dear');
  repair(placement, 'cheap');
  return placement;
}

/** The first that leaves no more to wish for than those after it. */
function layOut(problem: ClaimProblem, quotas: Int32Array): Placement {
  const shareOf = (node: number): number =>
    (problem.hasLocations ? problem.locationOf[node] * 2 : 0) + quotas[node] - problem.least;
  const closest = (layout: Int32Array): Int32Array =>
    closestTo(problem.before, layout, problem.nodeCount, shareOf);
  const layouts = [
    ...(problem.nodeCount > problem.separableNodesMin ? [() => closest(growNodes(problem, quotas))] : []),
    () => closest(layOutNodes(problem, quotas)),
    ...(problem.canSeparateLocations ? [() => layOutByLocation(problem, quotas)] : []),
  ];
  return layouts
    .map((makeLayout) => {
      const placement = new Placement(problem, makeLayout());
      repair(placement, 'cheap');
      return placement;
    })
    .reduce((best, next) => (difference(best, next) <= 0 ? best : next));
}

function layOutByLocation(problem: ClaimProblem, quotas: Int32Array): Int32Array {
  const totals = problem.nodesByLocation().map((nodes) => nodes.reduce((sum, node) => sum + quotas[node], 0));
  const present = problem.before.map((node) => (node < 0 ? node : problem.locationOf[node]));
  const layout = closestTo(
    present,
    layOutLocations(problem, quotas),
    problem.locationCount,
    (location) => totals[location],
  );
  return nodesOfLocations(problem, layout, quotas);
}

/** A new layout may move far more: it is tried for conflicts that it can avoid, or where most moves anyway. */
function isWorthLayingOut(adapted: Placement): boolean {
  const { problem } = adapted;
  const { nodes, locations } = adapted.shortcomings();
  if (nodes > 0 || (locations > 0 && problem.canSeparateLocations)) return true;
  const kept = adapted.owner.filter((node, partition) => node === problem.before[partition]).length;
  return kept < problem.size / 2;
}

function betterOf(adapted: Placement, laidOut: Placement): Placement {
  return (difference(adapted, laidOut) || adapted.pairs - laidOut.pairs) <= 0 ? adapted : laidOut;
}

/** Where conflicts are left another search may end elsewhere and no better: for that no balanced ring is given up. */
function presentIfAsGood(chosen: Placement): Placement {
  const { problem } = chosen;
  if (problem.before.includes(nobody)) return chosen;
  const present = new Placement(problem, problem.before);
  const isBalanced = present.count.every((count) => count >= problem.least && count <= problem.most);
  return isBalanced && difference(present, chosen) <= 0 ? present : chosen;
}

/** Below zero: `a` is the better. */
function difference(a: Placement, b: Placement): number {
  const [ofA, ofB] = [a.shortcomings(), b.shortcomings()];
  return ofA.nodes - ofB.nodes || ofA.locations - ofB.locations || ofA.moves - ofB.moves;
}
