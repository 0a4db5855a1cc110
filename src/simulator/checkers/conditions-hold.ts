/**
 * Conditional writes on one node are atomic (ARCHITECTURE.md: a condition is checked again by the vnode in
 * the turn of the write):
 *
 *   C1  Of the writes that asked for an unmodified key with the same context, one is acknowledged.
 *   C2  Two acknowledged writes that asked for an absent key had a delete between them.
 */
import type { KeyHistory, KeyWrite } from './key-history.ts';

export function checkConditionsHold(history: KeyHistory, clockJumps: boolean): readonly string[] {
  const acked = [...history.writes.values()].filter(({ outcome }) => outcome === 'acked');
  const violations: string[] = [];
  const contexts = new Map<string, number>();
  for (const { id, condition, context } of acked) {
    if (condition !== 'unmodified') continue;
    const first = contexts.get(context);
    if (first !== undefined) violations.push(`${history.key}: C1: writes ${first} and ${id} both passed`);
    contexts.set(context, id);
  }
  const creations = acked.filter(({ condition }) => condition === 'absent');
  // There an older tombstone with a later stamp may hide what was created.
  if (clockJumps && history.conflicts === 'latest') return violations;
  for (const [i, second] of creations.entries()) {
    for (const first of creations.slice(0, i)) {
      if (hasDeleteBetween(history, first, second)) continue;
      violations.push(`${history.key}: C2: writes ${first.id} and ${second.id} both created it`);
    }
  }
  return violations;
}

function hasDeleteBetween(history: KeyHistory, a: KeyWrite, b: KeyWrite): boolean {
  const from = Math.min(a.invokedAt, b.invokedAt);
  const to = Math.max(a.endedAt, b.endedAt);
  return [...history.writes.values()].some(
    ({ kind, outcome, invokedAt, endedAt }) =>
      kind === 'delete' && outcome !== 'refused' && invokedAt < to && endedAt > from,
  );
}
