/**
 * Objects that expire, over what clients wrote and were shown:
 *
 *   E1  Nothing is shown past its end, by the clock of the node that shows it; and what was to end says when.
 *   E2  At rest, when all that was to end soon has ended: nothing of it is shown, nor anything that an acknowledged write
 *       has replaced, though that has ended since.
 *   E3  At rest: what was acknowledged, has not ended and was not replaced, is shown.
 */
import { replacedBy } from './replaced-writes.ts';

export interface ExpiringWrite {
  readonly id: number;
  readonly key: string;
  /** It will have ended when the cluster is at rest. */
  readonly endsSoon: boolean;
  readonly expires: boolean;
  outcome: 'acked' | 'refused' | 'unknown';
  /** Writes that its client had read. */
  readonly past: readonly number[];
}

export interface ExpiringRead {
  readonly key: string;
  /** By the clock of the node, when it was asked. */
  readonly wallMicros: number;
  readonly shown: readonly { readonly id: number; readonly expiresAtMicros: number | undefined }[];
}

export function checkReadOfExpiring(
  read: ExpiringRead,
  writes: ReadonlyMap<number, ExpiringWrite>,
): readonly string[] {
  const violations: string[] = [];
  for (const { id, expiresAtMicros } of read.shown) {
    const expires = writes.get(id)?.expires;
    const what = `${read.key}: ${id}`;
    if (expires === undefined) violations.push(`E1 ${what} was written by nobody`);
    else if (expires !== (expiresAtMicros !== undefined))
      violations.push(`E1 ${what} does not say when it ends`);
    else if (expiresAtMicros !== undefined && expiresAtMicros <= read.wallMicros) {
      violations.push(`E1 ${what} is shown ${read.wallMicros - expiresAtMicros} µs after its end`);
    }
  }
  return violations;
}

/** `rest`: the last read of each key. */
export function checkExpiredAtRest(
  rest: readonly ExpiringRead[],
  writes: ReadonlyMap<number, ExpiringWrite>,
): readonly string[] {
  const violations: string[] = [];
  const replaced = replacedBy(writes.values());
  for (const { key, shown } of rest) {
    const ids = new Set(shown.map(({ id }) => id));
    for (const id of ids) {
      if (writes.get(id)?.endsSoon === true) violations.push(`E2 ${key}: ${id} has ended and is shown`);
      if (replaced.forSure.has(id)) violations.push(`E2 ${key}: ${id} was replaced and is back`);
    }
    for (const write of writes.values()) {
      const mustBeThere = write.key === key && write.outcome === 'acked' && !write.endsSoon;
      if (mustBeThere && !replaced.perhaps.has(write.id) && !ids.has(write.id)) {
        violations.push(`E3 ${key}: ${write.id} was acknowledged and is lost`);
      }
    }
  }
  return violations;
}
