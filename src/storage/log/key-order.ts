/** Keys in unsigned byte order, within bigger buffers: no views are made, since these are the inner loops. */

/** Negative, zero or positive. */
export function compareSlices(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aBytes = aEnd - aStart;
  const bBytes = bEnd - bStart;
  const shared = Math.min(aBytes, bBytes);
  for (let i = 0; i < shared; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aBytes - bBytes;
}

/** How many bytes both begin with. */
export function sharedPrefix(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const most = Math.min(aEnd - aStart, bEnd - bStart);
  let shared = 0;
  while (shared < most && a[aStart + shared] === b[bStart + shared]) shared += 1;
  return shared;
}
