/** Ranges that were deleted at a position of the log: they hide what was written into them before. */
import type { KeyRange } from '../storage-engine.ts';
import { compareSlices } from './key-order.ts';
import type { DeletedRange } from './log-record.ts';
import { isBefore, type Position } from './position.ts';

/** `key` may be longer than the key. */
export function isHidden(
  ranges: readonly DeletedRange[],
  key: Uint8Array,
  keyBytes: number,
  segment: number,
  offset: number,
): boolean {
  for (const range of ranges) {
    const isOlder = segment < range.segment || (segment === range.segment && offset < range.offset);
    if (isOlder && isInRange(key, keyBytes, range)) return true;
  }
  return false;
}

function isInRange(key: Uint8Array, keyBytes: number, { from, to }: DeletedRange): boolean {
  if (compareSlices(key, 0, keyBytes, from, 0, from.length) < 0) return false;
  return to === undefined || compareSlices(key, 0, keyBytes, to, 0, to.length) < 0;
}

/** Whether all of `inner` lies in a range that was deleted at or after `position`. */
export function isRangeHidden(ranges: readonly DeletedRange[], inner: KeyRange, position: Position): boolean {
  return ranges.some((range) => !isBefore(range, position) && covers(range, inner));
}

/** The ranges with one more; those that it covers are left out, if they are older. */
export function withRange(ranges: readonly DeletedRange[], added: DeletedRange): readonly DeletedRange[] {
  const kept = ranges.filter(
    (range) => !(isBefore(range, added) && covers(added, rangeOf(range))) && !isSame(range, added),
  );
  return [...kept, added];
}

function isSame(a: DeletedRange, b: DeletedRange): boolean {
  return a.segment === b.segment && a.offset === b.offset;
}

function rangeOf({ from, to }: DeletedRange): KeyRange {
  return to === undefined ? { from } : { from, to };
}

function covers(outer: DeletedRange, inner: KeyRange): boolean {
  const { from, to } = inner;
  const startsBelow = outer.from.length === 0 || (from !== undefined && outer.from.compare(from) <= 0);
  return startsBelow && (outer.to === undefined || (to !== undefined && to.compare(outer.to) <= 0));
}
