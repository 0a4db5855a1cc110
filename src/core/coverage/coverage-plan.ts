/**
 * Which vnodes together hold every name once: the covering set of a query that cannot hash.
 *
 * A partition p stores the names whose first partition is any of p-n+1 .. p, so every n-th partition
 * suffices. `offset` spreads the load: it is drawn anew for each query. Where partitions of the set
 * are unavailable, a neighbour answers for them; where the set overlaps itself (the last stretch of
 * the circle, or after such a step aside), `firstPartitions` tells the vnode which names are its own
 * to report, so that each is reported once.
 */
import { assert } from '../../stdx/index.ts';
import type { Partition, Ring } from '../ring/index.ts';

export interface CoverageStep {
  readonly partition: Partition;
  /** Report only names whose first partition is among these; absent: all that the partition holds. */
  readonly firstPartitions?: ReadonlySet<Partition>;
}

export type CoveragePlan =
  | { readonly kind: 'covered'; readonly steps: readonly CoverageStep[] }
  /** Names whose first partition is one of these cannot be reported by anyone now. */
  | { readonly kind: 'insufficient'; readonly missing: readonly Partition[] };

/** `wanted`: only names whose first partition is one of these; what is left of a query whose node was lost. */
export function planCoverage(
  ring: Ring,
  n: number,
  offset: number,
  isAvailable: (partition: Partition) => boolean,
  wanted?: ReadonlySet<Partition>,
): CoveragePlan {
  assert(n >= 1, 'a name has at least one replica');
  const replicas = Math.min(n, ring.size);
  const inOrder = ring.partitions().map((_, index) => ring.after(0 as Partition, offset + index));
  const uncovered = new Set(wanted === undefined ? inOrder : inOrder.filter((first) => wanted.has(first)));
  const steps: CoverageStep[] = [];
  const missing: Partition[] = [];
  for (const first of uncovered) {
    const holder = lastAvailableHolder(ring, first, replicas, isAvailable);
    if (holder === undefined) {
      missing.push(first);
      continue;
    }
    const mine = new Set<Partition>();
    for (let back = 0; back < replicas; back += 1) {
      const held = ring.after(holder, ring.size - back);
      if (uncovered.has(held) && !missing.includes(held)) mine.add(held);
    }
    for (const held of mine) uncovered.delete(held);
    steps.push(mine.size === replicas ? { partition: holder } : { partition: holder, firstPartitions: mine });
  }
  return missing.length > 0 ? { kind: 'insufficient', missing } : { kind: 'covered', steps };
}

/** Of the partitions that hold names of `first`, the one furthest on: it holds the most that is still uncovered. */
function lastAvailableHolder(
  ring: Ring,
  first: Partition,
  n: number,
  isAvailable: (partition: Partition) => boolean,
): Partition | undefined {
  for (let step = n - 1; step >= 0; step -= 1) {
    const partition = ring.after(first, step);
    if (isAvailable(partition)) return partition;
  }
  return undefined;
}
