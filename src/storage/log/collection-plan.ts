/**
 * Which segment to collect next, if any: by garbage, except where something would pile up otherwise.
 *
 * - The one with the largest share of dead bytes, from `garbageShare` on.
 * - The oldest one, when tombstones of younger ones amount to much: they can be dropped only once nothing older is left.
 * - The oldest of the small ones that many starts leave behind.
 */
import type { Segment } from './segment.ts';

/** Tombstones may be this share of all bytes, and fewer than this share of a segment do not count. */
const TOMBSTONE_SHARE_MAX = 0.1;
const TOMBSTONE_SEGMENT_SHARE_MIN = 0.25;
const SMALL_SHARE = 1 / 16;
const SMALL_SEGMENTS_MAX = 8;

/** `candidates`: oldest first, without those from the checkpoint on. `oldest`: of all. */
export function planCollection(
  candidates: readonly Segment[],
  oldest: Segment | undefined,
  limits: { readonly garbageShare: number; readonly segmentBytesMax: number },
): Segment | undefined {
  let worst: Segment | undefined;
  let bytes = 0;
  let tombstones = 0;
  for (const segment of candidates) {
    bytes += segment.bytes;
    if (segment !== oldest) tombstones += segment.tombstoneBytes;
    if (worst === undefined || segment.garbageShare > worst.garbageShare) worst = segment;
  }
  if (worst !== undefined && worst.garbageShare >= limits.garbageShare) return worst;
  const isMuch =
    tombstones > TOMBSTONE_SHARE_MAX * bytes &&
    tombstones > TOMBSTONE_SEGMENT_SHARE_MIN * limits.segmentBytesMax;
  if (isMuch && oldest !== undefined && candidates.includes(oldest)) return oldest;
  const small = candidates.filter((segment) => segment.bytes < SMALL_SHARE * limits.segmentBytesMax);
  return small.length > SMALL_SEGMENTS_MAX ? small[0] : undefined;
}
