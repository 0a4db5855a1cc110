/**
 * What data types promise, judged by what clients were told.
 *
 * Of every read:
 *
 *   DT1  Nothing is shown that nobody added or assigned.
 *   DT2  An update of several fields shows whole or not at all.
 *
 * Of a read at rest, when nothing is under way any more:
 *
 *   DT3  A counter is the sum of the acknowledged increments and of some of those with an unknown outcome, each once.
 *   DT4  What an acknowledged update added is there, unless a removal could have seen it.
 *   DT5  What was added once and then removed by somebody who had seen it, acknowledged, is not there. An operation that
 *        the cluster repeats by itself would bring it back. (A delete of the object may bring a concurrent
 *        version back, with all in it: keys that were deleted are not judged by this.)
 *   DT6  A register that was assigned has a value.
 *   DT7  A sketch is about as large as what was added.
 */
import type { DatatypeKey, DatatypeRead, DatatypeUpdate, ShownPlaces } from './datatype-history.ts';

/** Sketches of precision 14 are exact to about one percent where they hold so little. */
const estimateErrorMax = 0.03;
/** A sum of more unknown increments than these is held between its bounds only. */
const unknownIncrementsMax = 18;

/** Fields of a map that every update adds to together, or neither. */
export interface TwinPlaces {
  readonly left: string;
  readonly right: string;
}

export function checkDatatypeRead(
  { key, shown }: DatatypeRead,
  { updates }: DatatypeKey,
  twins: TwinPlaces,
): readonly string[] {
  const violations: string[] = [];
  const begun = updates.filter(({ outcome }) => outcome !== 'refused');
  const added = new Set(begun.flatMap(({ adds }) => adds));
  for (const place of shown.places) {
    if (!added.has(place)) violations.push(`DT1: ${key} shows ${place}, which nobody added`);
  }
  for (const [place, value] of shown.registers) {
    const isAssigned = begun.some(({ assigns }) => assigns.get(place) === value);
    if (!isAssigned) violations.push(`DT1: ${key} shows ${value} in ${place}, which nobody assigned`);
  }
  const left = below(shown, twins.left);
  const right = below(shown, twins.right);
  if (left.join() !== right.join()) {
    violations.push(`DT2: ${key} shows ${left.join()} on one side and ${right.join()} on the other`);
  }
  return violations;
}

export function checkDatatypeAtRest(
  { shown }: Pick<DatatypeRead, 'shown'>,
  { key, type, updates }: DatatypeKey,
): readonly string[] {
  const begun = updates.filter(({ outcome }) => outcome !== 'refused');
  if (type === 'hll') return checkEstimate(key, shown, begun);
  return [
    ...checkSums(key, shown, begun),
    ...checkAdded(key, shown, begun),
    ...checkRemoved(key, shown, begun),
    ...checkAssigned(key, shown, begun),
  ];
}

function below(shown: ShownPlaces, prefix: string): readonly string[] {
  const found = [...shown.places].filter((place) => place.startsWith(prefix));
  return found.map((place) => place.slice(prefix.length)).sort();
}

function checkSums(key: string, shown: ShownPlaces, begun: readonly DatatypeUpdate[]): readonly string[] {
  const violations: string[] = [];
  const counters = new Set(begun.flatMap(({ increments }) => [...increments.keys()]));
  for (const place of counters) {
    const of = (outcome: DatatypeUpdate['outcome']) =>
      begun
        .filter((update) => update.outcome === outcome)
        .map(({ increments }) => increments.get(place) ?? 0)
        .filter((increment) => increment !== 0);
    const acked = of('acked').reduce((a, b) => a + b, 0);
    const unknown = of('unknown');
    const value = Number(shown.sums.get(place) ?? 0n);
    if (isSumOfSome(value - acked, unknown)) continue;
    violations.push(
      `DT3: ${key} shows ${value} in ${place || 'itself'}: ${acked} were acknowledged, unknown are ${unknown.join()}`,
    );
  }
  return violations;
}

function isSumOfSome(rest: number, terms: readonly number[]): boolean {
  if (terms.length > unknownIncrementsMax) {
    const low = terms.filter((term) => term < 0).reduce((a, b) => a + b, 0);
    const high = terms.filter((term) => term > 0).reduce((a, b) => a + b, 0);
    return rest >= low && rest <= high;
  }
  let sums = new Set([0]);
  for (const term of terms) sums = new Set([...sums, ...[...sums].map((sum) => sum + term)]);
  return sums.has(rest);
}

/** It may have taken what was added at `place` from `invokedAt` on. */
function couldRemove({ removes, seen, endedAt }: DatatypeUpdate, place: string, invokedAt: number): boolean {
  return (seen?.endedAt ?? endedAt) > invokedAt && removes.some((removed) => covers(removed, place));
}

function covers(removed: string, place: string): boolean {
  return removed === place || ((removed === '' || removed.endsWith('/')) && place.startsWith(removed));
}

function checkAdded(key: string, shown: ShownPlaces, begun: readonly DatatypeUpdate[]): readonly string[] {
  const lost: string[] = [];
  for (const { adds, outcome, invokedAt } of begun) {
    if (outcome !== 'acked') continue;
    for (const place of adds) {
      if (shown.places.has(place)) continue;
      if (begun.some((other) => couldRemove(other, place, invokedAt))) continue;
      lost.push(`DT4: ${key} has lost ${place}, which was added at ${invokedAt}`);
    }
  }
  return lost;
}

function checkRemoved(key: string, shown: ShownPlaces, begun: readonly DatatypeUpdate[]): readonly string[] {
  if (begun.some(({ isDelete }) => isDelete)) return [];
  const additions = new Map<string, number>();
  for (const place of begun.flatMap(({ adds }) => adds)) {
    additions.set(place, (additions.get(place) ?? 0) + 1);
  }
  const back: string[] = [];
  for (const { outcome, removes, seen, invokedAt } of begun) {
    if (outcome !== 'acked') continue;
    for (const place of shown.places) {
      if (additions.get(place) !== 1) continue;
      // Without a context one that names an element was refused unless it was there; a flag is disabled in any case.
      const sawIt =
        seen === undefined ? removes.includes(place) && !place.endsWith('/') : seen.shown.places.has(place);
      if (!sawIt || !removes.some((removed) => covers(removed, place))) continue;
      back.push(`DT5: ${key} shows ${place} again, which was removed at ${invokedAt}`);
    }
  }
  return back;
}

function checkAssigned(key: string, shown: ShownPlaces, begun: readonly DatatypeUpdate[]): readonly string[] {
  if (begun.some(({ isDelete }) => isDelete)) return [];
  const acked = begun
    .filter(({ outcome }) => outcome === 'acked')
    .flatMap(({ assigns }) => [...assigns.keys()]);
  const lost = [...new Set(acked)].filter((place) => !shown.registers.has(place));
  return lost.map((place) => `DT6: ${key} has lost the register ${place}`);
}

function checkEstimate(key: string, shown: ShownPlaces, begun: readonly DatatypeUpdate[]): readonly string[] {
  const added = (updates: readonly DatatypeUpdate[]) => new Set(updates.flatMap(({ adds }) => adds)).size;
  const acked = added(begun.filter(({ outcome }) => outcome === 'acked'));
  const all = added(begun);
  const estimate = shown.estimate ?? 0;
  const slack = (count: number) => Math.ceil(count * estimateErrorMax);
  if (estimate >= acked - slack(acked) && estimate <= all + slack(all)) return [];
  return [`DT7: ${key} is estimated at ${estimate}: ${acked} of ${all} were acknowledged`];
}
