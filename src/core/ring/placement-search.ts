/**
 * Changes a placement for the better, one partition or one swap of two at a time, and keeps balance throughout.
 *
 * `fillIn` takes as little as balance demands from those who have too much and gives it to those who have too
 * little. `repair` then descends: at every partition that conflicts, or was moved, the best change is made while it
 * lowers the cost. What conflicts are left it attacks by tabu search (Glover 1989): the best change even if it is
 * for the worse, not to be undone for a while. `gather` trades what was moved anyway, for fewer pairs of nodes that
 * share a preference list.
 *
 * Everything is bounded by counts of steps, not by time, and draws nothing at random that differs from run to run.
 */
import { nobody } from './claim-problem.ts';
import type { Change, Placement } from './placement.ts';

/** Partitions that a descent looks at, for each of the ring. */
const descentPasses = 4;
/** Tabu steps without a new best, after which the search gives up. */
const fruitlessMax = 100;
/** Steps for which a partition may not get an owner back: at least, and at random up to twice that. */
const tenure = 6;
/** Swaps that `gather` tries. */
const tradesMax = 60_000;

export function fillIn(placement: Placement, quotas: Int32Array): void {
  const { size } = placement.problem;
  for (;;) {
    let receiver = nobody;
    quotas.forEach((quota, node) => {
      const deficit = quota - placement.count[node];
      if (deficit <= 0) return;
      if (receiver === nobody || deficit > quotas[receiver] - placement.count[receiver]) receiver = node;
    });
    if (receiver === nobody) return;
    let best = nobody;
    let bestScore = Number.POSITIVE_INFINITY;
    for (let partition = 0; partition < size; partition += 1) {
      const owner = placement.owner[partition];
      if (owner !== nobody && placement.count[owner] <= quotas[owner]) continue;
      const growth = placement.costOf(partition, receiver) - placement.conflict[partition];
      // All costs of conflicts are multiples of eight, and a partition has fewer neighbours than 64.
      if (growth * 8 > bestScore) continue;
      const score = growth * 8 + placement.newPairs(partition, receiver);
      if (score < bestScore) {
        best = partition;
        bestScore = score;
      }
    }
    placement.assign(best, receiver);
  }
}

/** Every partition has an owner, and nobody more or less than balance allows: before and after. */
export function repair(placement: Placement, price: 'dear' | 'cheap'): void {
  placement.priceMoves(price);
  descend(placement);
  wander(placement);
  descend(placement);
}

function descend(placement: Placement): void {
  const never = (): boolean => false;
  for (let pass = 0; pass < descentPasses; pass += 1) {
    let changes = 0;
    for (let partition = 0; partition < placement.problem.size; partition += 1) {
      if (placement.conflict[partition] === 0 && !placement.isMoved(partition)) continue;
      const change = placement.bestChange(partition, never);
      if (change === undefined || change.growth >= 0) continue;
      placement.apply(partition, change);
      changes += 1;
    }
    if (changes === 0) return;
  }
}

function wander(placement: Placement): void {
  const { size, nodeCount } = placement.problem;
  const barredUntil = new Int32Array(size * nodeCount);
  const dice = new Dice();
  let best = Int32Array.from(placement.owner);
  let cost = 0;
  let bestCost = 0;
  let fruitless = 0;
  for (let step = 1; fruitless < fruitlessMax; step += 1) {
    const partitions = conflicting(placement);
    if (partitions.length === 0) break;
    const partition = partitions[dice.below(partitions.length)];
    const isBarred = (other: number, node: number): boolean =>
      barredUntil[other * nodeCount + node] > step ||
      barredUntil[partition * nodeCount + placement.owner[other]] > step;
    const change: Change | undefined = placement.bestChange(partition, isBarred);
    fruitless += 1;
    if (change === undefined) continue;
    const node = placement.owner[partition];
    barredUntil[partition * nodeCount + node] = step + tenure + dice.below(tenure);
    if (change.kind === 'swap') {
      barredUntil[change.with * nodeCount + placement.owner[change.with]] =
        step + tenure + dice.below(tenure);
    }
    placement.apply(partition, change);
    cost += change.growth;
    if (cost < bestCost) {
      bestCost = cost;
      best = Int32Array.from(placement.owner);
      fruitless = 0;
    }
  }
  best.forEach((node, partition) => {
    placement.assign(partition, node);
  });
}

/** Swaps owners among the partitions that move anyway, while that makes fewer pairs and nothing else worse. */
export function gather(placement: Placement): void {
  const moved = Array.from(placement.owner.keys()).filter(
    (partition) => placement.problem.before[partition] !== placement.owner[partition],
  );
  let trades = 0;
  for (const a of moved) {
    for (const b of moved) {
      if (a >= b || trades >= tradesMax) continue;
      trades += 1;
      tradeIfBetter(placement, a, b);
    }
  }
}

function tradeIfBetter(placement: Placement, a: number, b: number): void {
  const [nodeA, nodeB] = [placement.owner[a], placement.owner[b]];
  const { before } = placement.problem;
  if (nodeA === nodeB || before[a] === nodeB || before[b] === nodeA) return;
  if (placement.costOf(a, nodeB, b) > placement.costOf(a, nodeA, b)) return;
  if (placement.costOf(b, nodeA, a) > placement.costOf(b, nodeB, a)) return;
  const pairs = placement.pairs;
  placement.apply(a, { kind: 'swap', with: b, growth: 0 });
  if (placement.pairs >= pairs) placement.apply(a, { kind: 'swap', with: b, growth: 0 });
}

/** The same numbers each time (Park and Miller's minimal standard generator, CACM 1988). */
class Dice {
  #state = 1;

  below(bound: number): number {
    this.#state = (this.#state * 48_271) % 2_147_483_647;
    return this.#state % bound;
  }
}

function conflicting(placement: Placement): number[] {
  return Array.from(placement.owner.keys()).filter((partition) => placement.conflict[partition] > 0);
}
