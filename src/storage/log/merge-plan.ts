/**
 * Which index runs to merge next: universal (size-tiered) compaction, as RocksDB calls it. Runs are adjacent in
 * age, so that the merged one can stand in their place.
 *
 * - Runs that are each not much bigger than all newer ones of the group together are merged, from four on: a key is
 *   written again once each time the index has grown fourfold.
 * - When all newer runs together are as big as the oldest, everything is merged. That bounds what stays unknown:
 *   an overwritten record counts as dead only after its old entry has met the new one.
 */
import { MERGE_RUNS_MAX, MERGE_RUNS_MIN } from './log-limits.ts';

const SIZE_RATIO = 1.25;

/** Runs from `start` up to, not including, `end`; newest first. */
export interface MergePlan {
  readonly start: number;
  readonly end: number;
}

/** `sizes`: entries of each run, newest first. `purges`: everything has to be written again. */
export function planMerge(sizes: readonly number[], purges: boolean): MergePlan | undefined {
  const count = sizes.length;
  if (purges && count > 0) return { start: 0, end: count };
  for (let start = 0; start + MERGE_RUNS_MIN <= count; start++) {
    let sum = sizes[start]!;
    let end = start + 1;
    while (end < count && end - start < MERGE_RUNS_MAX && sizes[end]! <= sum * SIZE_RATIO) {
      sum += sizes[end]!;
      end += 1;
    }
    if (end - start >= MERGE_RUNS_MIN) return { start, end };
  }
  if (count < 2) return undefined;
  let newer = 0;
  for (let i = 0; i < count - 1; i++) newer += sizes[i]!;
  return newer >= sizes[count - 1]! ? { start: 0, end: count } : undefined;
}
