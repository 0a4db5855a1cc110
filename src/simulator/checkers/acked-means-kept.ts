/**
 * Promise 1: a write that was acknowledged is never lost.
 *
 * Per key, over the operations of all clients: what the final read of the healed cluster gives must
 * include every acknowledged write, or something that causally replaced it. A write of unknown
 * outcome (a timeout, a cut connection) may be there or not; one that is there although it was
 * refused for certain, or that nobody wrote, was invented.
 */

export interface RegisterWrite<Version> {
  readonly key: string;
  readonly version: Version;
  readonly outcome: 'acked' | 'refused' | 'unknown';
}

export interface CausalOrder<Version> {
  /** `later` is `earlier`, or was written knowing it. */
  descends(later: Version, earlier: Version): boolean;
  /** Equal names mean equal versions. */
  nameOf(version: Version): string;
}

export type Violation =
  | { readonly kind: 'lost'; readonly key: string; readonly version: string }
  | { readonly kind: 'invented'; readonly key: string; readonly version: string };

/** `finalReads` has, for each key, the siblings that the last read returned. */
export function checkAckedMeansKept<Version>(
  writes: readonly RegisterWrite<Version>[],
  finalReads: ReadonlyMap<string, readonly Version[]>,
  order: CausalOrder<Version>,
): readonly Violation[] {
  const violations: Violation[] = [];
  const written = new Set<string>();
  for (const { key, version, outcome } of writes) {
    const name = order.nameOf(version);
    if (outcome !== 'refused') written.add(slotOf(key, name));
    if (outcome !== 'acked') continue;
    const siblings = finalReads.get(key) ?? [];
    const isKept = siblings.some((sibling) => order.descends(sibling, version));
    if (!isKept) violations.push({ kind: 'lost', key, version: name });
  }
  for (const [key, siblings] of finalReads) {
    for (const sibling of siblings) {
      const name = order.nameOf(sibling);
      if (!written.has(slotOf(key, name))) violations.push({ kind: 'invented', key, version: name });
    }
  }
  return violations;
}

function slotOf(key: string, version: string): string {
  return `${key.length}:${key}${version}`;
}
