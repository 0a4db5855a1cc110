/**
 * What a listing of a bucket must hold: L1 every key that was surely there throughout, L2 no key that was
 * surely never there, L3 each key once. Between the two a key may be listed or not.
 *
 * A listing asks one replica for each key, so it may miss what only a quorum has: surely there is what was
 * acknowledged before all replicas were last seen to agree.
 */
import type { KeyHistory } from './key-history.ts';

export interface Listing {
  readonly bucket: string;
  readonly invokedAt: number;
  readonly endedAt: number;
  /** When the replicas were last seen to agree, with nothing under way. */
  readonly agreedAt: number;
  readonly keys: readonly string[];
}

/** `replicasForget`: any replica may have lost any key, and the listing may have asked just that one. */
export function checkListingComplete(
  listing: Listing,
  keys: readonly KeyHistory[],
  replicasForget: boolean,
): readonly string[] {
  const violations: string[] = [];
  const listed = new Set(listing.keys);
  if (listed.size < listing.keys.length) violations.push(`L3: ${listing.bucket} lists a key twice`);
  const known = new Set<string>();
  for (const history of keys) {
    if (history.bucket !== listing.bucket) continue;
    const begun = [...history.writes.values()].filter(
      ({ outcome, invokedAt }) => outcome !== 'refused' && invokedAt < listing.endedAt,
    );
    if (begun.length > 0) known.add(history.key);
    const isStored = begun.some(
      ({ kind, outcome, endedAt }) => kind === 'put' && outcome === 'acked' && endedAt < listing.agreedAt,
    );
    const wasDeleted = begun.some(({ kind }) => kind === 'delete');
    if (!replicasForget && isStored && !wasDeleted && !listed.has(history.key)) {
      violations.push(`L1: ${listing.bucket}/${history.key} is not listed at ${listing.endedAt}`);
    }
  }
  for (const key of listed)
    if (!known.has(key)) violations.push(`L2: ${listing.bucket}/${key} was never put`);
  return violations;
}
