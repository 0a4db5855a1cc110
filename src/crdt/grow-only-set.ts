/** The grow-only set (Shapiro et al. 2011, §3.3.1): the join is the union. */
import type { ByteString } from '../stdx/index.ts';
import type { GrowOnlySetOperation } from './operation.ts';
import { joinEntries, SortedEntries } from './sorted-entries.ts';

/** Elements, in byte order, are the keys. */
export type GrowOnlySet = SortedEntries<true>;

/** The elements that the operation adds and `set` lacks. */
export function growOnlySetDelta(set: GrowOnlySet, { adds }: GrowOnlySetOperation): GrowOnlySet {
  const added = new Map<ByteString, true>();
  for (const element of adds) if (set.get(element) === undefined) added.set(element, true);
  return SortedEntries.ofMap(added);
}

/** Returns `left` itself if `right` adds nothing. */
export function joinGrowOnlySets(left: GrowOnlySet, right: GrowOnlySet): GrowOnlySet {
  return joinEntries<true>(left, right, true, () => true);
}
