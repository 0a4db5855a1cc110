/**
 * What commit hooks promise, of writes each of which has a key of its own.
 *
 * K1  What is shown passed every hook, in their order, and is just what they made of it.
 * K2  Nothing is acknowledged, or shown, that a hook refused, or that was answered as refused.
 * K3  What was acknowledged is there in the end, unless its delete may have happened; a delete that a hook refuses does not.
 * K4  Of a write its post-commit hook is told at most once, and only if it may have been stored.
 */

export type HookedKind =
  /** Hooks let it pass as it is; change it; refuse it, by their word or by throwing. */
  'pass' | 'change' | 'refuse' | 'throw';

export interface HookedWrite {
  readonly id: number;
  readonly key: string;
  readonly kind: HookedKind;
  outcome: 'unknown' | 'acked' | 'refused';
  /** Whether a delete may have happened; `acked`: it has. */
  deleted: 'no' | 'unknown' | 'acked';
}

/** What is stored, in JSON: `seals` are the hooks that it passed. */
export interface HookedValue {
  readonly id: number;
  readonly kind: HookedKind;
  readonly seals: readonly string[];
}

/** Keys whose deletes the hooks refuse. */
export function isKept(key: string): boolean {
  return key.startsWith('kept');
}

function mayBeShown({ kind, outcome }: HookedWrite): boolean {
  return (kind === 'pass' || kind === 'change') && outcome !== 'refused';
}

/** In words; undefined: it may be shown. */
export function checkShown(write: HookedWrite | undefined, value: HookedValue): string | undefined {
  if (write === undefined || write.id !== value.id) return `K1 ${value.id} was written by nobody`;
  if (!mayBeShown(write)) return `K2 ${write.key} is shown, a ${write.outcome} write to ${write.kind}`;
  const seals = write.kind === 'change' ? 'guard,change,sign' : 'guard,sign';
  return value.seals.join() === seals
    ? undefined
    : `K1 ${write.key} is shown with the seals ${value.seals.join()}, not ${seals}`;
}

/** `shown`: the keys that are there at rest. `told`: write → times that its post-commit hook was told. */
export function checkHooksHeld(
  writes: readonly HookedWrite[],
  shown: ReadonlySet<string>,
  told: ReadonlyMap<number, number>,
): readonly string[] {
  const violations: string[] = [];
  for (const write of writes) {
    const { id, key, kind, outcome, deleted } = write;
    if (outcome === 'acked' && !mayBeShown(write)) violations.push(`K2 ${key}, to ${kind}, was acknowledged`);
    if (isKept(key) && deleted === 'acked') violations.push(`K3 the delete of ${key} was acknowledged`);
    const mayBeGone = deleted !== 'no' && !isKept(key);
    if (outcome === 'acked' && !mayBeGone && !shown.has(key)) violations.push(`K3 ${key} is lost`);
    if (deleted === 'acked' && shown.has(key)) violations.push(`K3 ${key} was deleted, and is there`);
    const times = told.get(id) ?? 0;
    if (times > 1) violations.push(`K4 of ${key} was told ${times} times`);
    if (times > 0 && !mayBeShown(write)) violations.push(`K4 of ${key}, ${outcome} to ${kind}, was told`);
  }
  return violations;
}
