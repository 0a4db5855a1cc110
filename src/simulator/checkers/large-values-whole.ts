/**
 * Values that are kept in chunks, over what clients wrote and were shown:
 *
 *   L1  What is read to its end is a value that somebody wrote at that key, whole.
 *   L2  At rest: what was acknowledged and not replaced is shown, and what was replaced by an acknowledged write is not.
 *   L3  At rest, when uploads have had their time: on the disks are the chunks of the values that are shown, and no others.
 */
import { replacedBy } from './replaced-writes.ts';

export interface LargeWrite {
  readonly id: number;
  readonly key: string;
  /** A delete has none. */
  readonly bytes: number | undefined;
  outcome: 'acked' | 'refused' | 'unknown';
  /** Writes that its client had read. */
  readonly past: readonly number[];
}

/** `ids`: of all siblings that the last read of each key showed. */
export function checkLargeAtRest(
  shown: ReadonlyMap<string, readonly number[]>,
  writes: ReadonlyMap<number, LargeWrite>,
): readonly string[] {
  const violations: string[] = [];
  const replaced = replacedBy(writes.values());
  for (const [key, ids] of shown) {
    for (const id of ids) {
      if (replaced.forSure.has(id)) violations.push(`L2 ${key}: ${id} was replaced and is back`);
    }
    for (const { id, key: of, bytes, outcome } of writes.values()) {
      if (of !== key || bytes === undefined || outcome !== 'acked') continue;
      if (!replaced.perhaps.has(id) && !ids.includes(id)) {
        violations.push(`L2 ${key}: ${id} was acknowledged and is lost`);
      }
    }
  }
  return violations;
}
