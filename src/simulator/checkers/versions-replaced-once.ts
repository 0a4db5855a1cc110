/**
 * Conditional writes of a bucket that has them serialised, over what their clients heard:
 *
 *   CW1  Of the writes that were to replace one version of a key, or were to create it, one is acknowledged.
 *   CW2  What was acknowledged is part of what is there at rest.
 *   CW3  What was refused by its condition is not.
 */
export interface ConditionalAttempt {
  readonly key: string;
  readonly id: number;
  /** The context that it named; empty: nothing was to be there. */
  readonly over: string;
  outcome: 'acked' | 'refused' | 'unknown';
}

/** `left`: by key, the ids of all writes that what is there at rest was made from. No key is deleted. */
export function checkReplacedOnce(
  attempts: readonly ConditionalAttempt[],
  left: ReadonlyMap<string, ReadonlySet<number>>,
): readonly string[] {
  const violations: string[] = [];
  const firstOver = new Map<string, number>();
  for (const { key, id, over, outcome } of attempts) {
    const isThere = left.get(key)?.has(id) === true;
    if (outcome === 'refused' && isThere) violations.push(`CW3 ${key}: ${id} was refused and is there`);
    if (outcome !== 'acked') continue;
    if (!isThere) violations.push(`CW2 ${key}: ${id} was acknowledged and is lost`);
    const version = `${key} ${over}`;
    const first = firstOver.get(version);
    if (first === undefined) firstOver.set(version, id);
    else violations.push(`CW1 ${key}: ${first} and ${id} have both replaced ${over || 'nothing'}`);
  }
  return violations;
}
