/**
 * Objects that are written once, over what clients wrote and what all replicas hold at rest:
 *
 *   WO1  What is shown was written to the key by somebody; a key to which a write was acknowledged, and that nobody
 *        deleted, is there.
 *   WO2  No acknowledged write has an earlier stamp than what is shown.
 *   WO3  All copies of a key have the same bytes.
 *   WO4  A key of which a delete was acknowledged shows nothing, unless a write ended after that delete began: the tombstone
 *        may have been forgotten before.
 */
export interface OnceWrite {
  readonly key: string;
  readonly id: number;
  outcome: 'acked' | 'refused' | 'unknown';
  /** Microseconds, of the node that stamped it; of what was acknowledged. */
  stamp?: number;
  endedMs: number;
}

export interface OnceDelete {
  readonly key: string;
  readonly beganMs: number;
  readonly acked: boolean;
}

export interface OnceRead {
  readonly key: string;
  /** Undefined: nothing was found. */
  readonly shown: { readonly id: number; readonly stamp: number } | undefined;
  /** The bytes of each copy, as text. */
  readonly copies: readonly string[];
}

export function checkWrittenOnce(
  reads: readonly OnceRead[],
  writes: readonly OnceWrite[],
  deletes: readonly OnceDelete[],
): readonly string[] {
  const violations: string[] = [];
  for (const { key, shown, copies } of reads) {
    if (new Set(copies).size > 1) violations.push(`WO3 the copies of ${key} differ`);
    const mine = writes.filter((write) => write.key === key && write.outcome !== 'refused');
    const acked = mine.filter(({ outcome }) => outcome === 'acked');
    const gone = deletes.filter((one) => one.key === key);
    if (shown === undefined) {
      if (acked.length > 0 && gone.length === 0) violations.push(`WO1 ${key} was acknowledged and is lost`);
      continue;
    }
    if (!mine.some(({ id }) => id === shown.id)) violations.push(`WO1 ${key}: nobody wrote ${shown.id}`);
    const earlier = acked.find(({ stamp }) => stamp !== undefined && stamp < shown.stamp);
    if (earlier !== undefined && gone.length === 0) {
      violations.push(`WO2 ${key} shows ${shown.id}, and ${earlier.id} was written before it`);
    }
    const deleted = gone.filter((one) => one.acked);
    const isBack = deleted.some(({ beganMs }) => mine.every(({ endedMs }) => endedMs < beganMs));
    if (isBack) violations.push(`WO4 ${key} was deleted and is back`);
  }
  return violations;
}
