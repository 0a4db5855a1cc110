/**
 * Turns a layout into a placement that keeps as much of the present ring as it can: a layout may be rotated, and
 * labels with equal shares may trade places, without its distances changing.
 */
import { type ClaimProblem, nobody } from './claim-problem.ts';

/** Rotations that are tried: each costs O(Q) and a sort of the overlaps. */
const rotationsMax = 64;

/**
 * Of the rotations and relabellings of `layout` that were tried, the one that agrees most with `present`. Labels are
 * 0 .. labels-1; those with equal `shareOf` may trade. Where `present` is `nobody` nothing agrees.
 */
export function closestTo(
  present: Int32Array,
  layout: Int32Array,
  labels: number,
  shareOf: (label: number) => number,
): Int32Array {
  let best: { readonly kept: number; readonly layout: Int32Array } | undefined;
  for (let rotation = 0; rotation < Math.min(rotationsMax, layout.length); rotation += 1) {
    const rotated = layout.map((_, slot) => layout[(slot + rotation) % layout.length]);
    const renaming = relabelling(present, rotated, labels, shareOf);
    const renamed = rotated.map((label) => renaming[label]);
    const kept = renamed.reduce((sum, label, slot) => sum + (label === present[slot] ? 1 : 0), 0);
    if (best === undefined || kept > best.kept) best = { kept, layout: renamed };
  }
  return best?.layout ?? layout;
}

/** A permutation of the labels among equals, greedily by how often two stand at the same place. */
function relabelling(
  present: Int32Array,
  layout: Int32Array,
  labels: number,
  shareOf: (label: number) => number,
): Int32Array {
  const overlap = new Map<number, number>();
  layout.forEach((label, slot) => {
    const name = present[slot];
    if (name === nobody || shareOf(name) !== shareOf(label)) return;
    const key = label * labels + name;
    overlap.set(key, (overlap.get(key) ?? 0) + 1);
  });
  const renaming = new Int32Array(labels).fill(nobody);
  const isTaken = new Uint8Array(labels);
  for (const [key] of [...overlap].sort(([a, m], [b, n]) => n - m || a - b)) {
    const [label, name] = [Math.floor(key / labels), key % labels];
    if (renaming[label] !== nobody || isTaken[name] === 1) continue;
    renaming[label] = name;
    isTaken[name] = 1;
  }
  const free = new Map<number, number[]>();
  for (let name = labels - 1; name >= 0; name -= 1) {
    if (isTaken[name] === 1) continue;
    const share = shareOf(name);
    const names = free.get(share);
    if (names === undefined) free.set(share, [name]);
    else names.push(name);
  }
  return renaming.map((name, label) => (name === nobody ? (free.get(shareOf(label))?.pop() ?? label) : name));
}

/** Gives each partition of a layout of locations to a node there: its present owner, or else whose turn it is. */
export function nodesOfLocations(problem: ClaimProblem, layout: Int32Array, quotas: Int32Array): Int32Array {
  const left = Int32Array.from(quotas);
  const owner = layout.map((location, partition) => {
    const before = problem.before[partition];
    if (before === nobody || problem.locationOf[before] !== location || left[before] === 0) return nobody;
    left[before] -= 1;
    return before;
  });
  const turns = problem.nodesByLocation().map((nodes) => ({ nodes, next: 0 }));
  return owner.map((node, partition) => {
    if (node !== nobody) return node;
    const turn = turns[layout[partition]];
    while (left[turn.nodes[turn.next % turn.nodes.length]] === 0) turn.next += 1;
    const chosen = turn.nodes[turn.next++ % turn.nodes.length];
    left[chosen] -= 1;
    return chosen;
  });
}
