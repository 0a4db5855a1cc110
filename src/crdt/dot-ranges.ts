/**
 * Sets of counters as ranges: `[from, to, from, to, …]`, both ends included, ascending, disjoint, and
 * with a gap between neighbours, so that equal sets are equal arrays.
 */
export type DotRanges = readonly number[];

export function rangesCover(ranges: DotRanges, counter: number): boolean {
  // A replica that has all it was sent has one range; more are met only while deltas overtake each other.
  for (let i = 0; i < ranges.length; i += 2) {
    if (counter < ranges[i]) return false;
    if (counter <= ranges[i + 1]) return true;
  }
  return false;
}

export function rangesUnion(a: DotRanges, b: DotRanges): DotRanges {
  if (rangesInclude(a, b)) return a;
  if (rangesInclude(b, a)) return b;
  const union: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const fromA = j >= b.length || (i < a.length && a[i] <= b[j]);
    const from = fromA ? a[i] : b[j];
    const to = fromA ? a[i + 1] : b[j + 1];
    if (fromA) i += 2;
    else j += 2;
    const last = union.length - 1;
    if (last < 0 || union[last] + 1 < from) union.push(from, to);
    else if (union[last] < to) union[last] = to;
  }
  return union;
}

export function rangesMinus(a: DotRanges, b: DotRanges): DotRanges {
  if (!rangesIntersect(a, b)) return a;
  const rest: number[] = [];
  let j = 0;
  for (let i = 0; i < a.length; i += 2) {
    let from = a[i];
    const to = a[i + 1];
    while (j < b.length && b[j + 1] < from) j += 2;
    for (let k = j; k < b.length && b[k] <= to && from <= to; k += 2) {
      if (b[k] > from) rest.push(from, b[k] - 1);
      from = b[k + 1] + 1;
    }
    if (from <= to) rest.push(from, to);
  }
  return rest;
}

export function rangesInclude(a: DotRanges, b: DotRanges): boolean {
  let i = 0;
  for (let j = 0; j < b.length; j += 2) {
    while (i < a.length && a[i + 1] < b[j]) i += 2;
    if (i >= a.length || a[i] > b[j] || a[i + 1] < b[j + 1]) return false;
  }
  return true;
}

export function rangesIntersect(a: DotRanges, b: DotRanges): boolean {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (a[i + 1] < b[j]) i += 2;
    else if (b[j + 1] < a[i]) j += 2;
    else return true;
  }
  return false;
}

export function rangesEqual(a: DotRanges, b: DotRanges): boolean {
  return a.length === b.length && a.every((end, i) => end === b[i]);
}
