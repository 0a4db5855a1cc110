/**
 * Rings laid out afresh, for when the present one is no help: nobody's, one node's, or too far from what is wanted.
 * Both layouts keep any two partitions of one node (or of one location) a window apart whenever that is possible.
 */
import { assert } from '../../stdx/index.ts';
import type { ClaimProblem } from './claim-problem.ts';
import { Placement } from './placement.ts';
import { fillIn } from './placement-search.ts';

/** At a half a leave moves up to 1.18 times the minimum, at a tenth there are half as many replica sets again. */
const growthStep = 1.25;

/**
 * Spreads every node evenly over the circle. Nodes with `most` partitions take turns on some of the slots, those
 * with `least` on the others, and the two kinds of slots are merged as a balanced word (Christoffel's): any j slots of
 * a kind in a row span ⌊j·Q/N⌋ or ⌈j·Q/N⌉ of the Q slots if N are of that kind. A node with k partitions
 * comes again after every N/k slots of its kind, so its gaps are at least ⌊Q/k⌋, which is at least t if k·t ≤ Q.
 * Taking turns also makes few replica sets.
 */
export function layOutNodes(problem: ClaimProblem, quotas: Int32Array): Int32Array {
  return takeTurns(problem.size, spreadOverLocations(problem), quotas);
}

/**
 * Lets the ring grow by steps of a quarter, from as few nodes as can be kept apart, until it is so large that the rest
 * can come at once. In a ring where all take turns a node has the same neighbours everywhere, so that those cannot
 * take its place when it leaves, and further partitions move to let them have their share. A grown ring leaves
 * room for that, at the price of more replica sets (measured in docs/internals/claim.md). With S nodes a leaving one has
 * Q/S partitions to give, and S - 2t nodes are no neighbours of it: where these are enough no variety is needed.
 * Conflicts may be left.
 */
export function growNodes(problem: ClaimProblem, quotas: Int32Array): Int32Array {
  const { size, window } = problem;
  const turns = spreadOverLocations(problem);
  const founders = Math.min(turns.length, problem.separableNodesMin);
  const founding = shares(problem, turns.slice(0, founders));
  const placement = new Placement(problem, takeTurns(size, turns.slice(0, founders), founding));
  let grown = Math.ceil(founders * growthStep);
  while (grown < turns.length && grown * (grown - 2 * window) < size) {
    fillIn(placement, shares(problem, turns.slice(0, grown)));
    grown = Math.ceil(grown * growthStep);
  }
  fillIn(placement, quotas);
  return placement.owner;
}

function takeTurns(size: number, turns: readonly number[], quotas: Int32Array): Int32Array {
  const most = Math.max(...turns.map((node) => quotas[node]));
  const rich = turns.filter((node) => quotas[node] === most);
  const poor = turns.filter((node) => quotas[node] !== most);
  const richSlots = rich.length * most;
  let richTurn = 0;
  let poorTurn = 0;
  return Int32Array.from({ length: size }, (_, slot) => {
    const isRich = Math.floor(((slot + 1) * richSlots) / size) > Math.floor((slot * richSlots) / size);
    return isRich ? rich[richTurn++ % rich.length] : poor[poorTurn++ % poor.length];
  });
}

/** The ring in equal shares for `nodes`, the first of which get one more where it does not divide. */
function shares(problem: ClaimProblem, nodes: readonly number[]): Int32Array {
  const quotas = new Int32Array(problem.nodeCount);
  const extras = problem.size % nodes.length;
  nodes.forEach((node, index) => {
    quotas[node] = Math.floor(problem.size / nodes.length) + (index < extras ? 1 : 0);
  });
  return quotas;
}

/**
 * Spreads locations over the circle, as a sequence of locations: a table of R rows is filled column by column, the
 * location with the most partitions first, and read row by row, where R is what that one has. Each location then has at most one cell in
 * a row; those with R cells fill whole columns; one with fewer may go over into the next column, but ends
 * at least two rows above where it began. So its cells lie at least a row apart, or a row and one column; and a row
 * has ⌊Q/R⌋ cells or more, at least t if R·t ≤ Q.
 */
export function layOutLocations(problem: ClaimProblem, quotas: Int32Array): Int32Array {
  const { size, locationCount, locationOf } = problem;
  const totals = new Int32Array(locationCount);
  quotas.forEach((quota, node) => {
    totals[locationOf[node]] += quota;
  });
  const rows = Math.max(...totals);
  const cells = Array.from({ length: rows }, (): number[] => []);
  const order = Array.from(totals.keys()).sort((a, b) => totals[b] - totals[a] || a - b);
  let filled = 0;
  for (const location of order) {
    for (let i = 0; i < totals[location]; i += 1) cells[filled++ % rows].push(location);
  }
  assert(filled === size, 'the quotas fill the ring');
  return Int32Array.from(cells.flat());
}

/** All nodes, those of each location evenly among the others. */
function spreadOverLocations(problem: ClaimProblem): readonly number[] {
  return problem
    .nodesByLocation()
    .flatMap((nodes, location) =>
      nodes.map((node, index) => ({ node, location, at: (index + 0.5) / nodes.length })),
    )
    .sort((a, b) => a.at - b.at || a.location - b.location || a.node - b.node)
    .map(({ node }) => node);
}
