/** The order of Erlang's terms, and sorting by it in steps, so that a long list holds nobody up. */
import type { ByteString } from '../../../stdx/index.ts';
import { Atom, type Term, Tuple } from '../../../wire/index.ts';

/** number < atom < tuple < map < list < binary */
export function compareTerms(a: Term, b: Term): number {
  const [rankA, rankB] = [rankOf(a), rankOf(b)];
  if (rankA !== rankB) return rankA - rankB;
  switch (rankA) {
    case 1:
      return compareSimple(nameOf(a), nameOf(b));
    case 2: {
      const [left, right] = [(a as Tuple).elements, (b as Tuple).elements];
      return left.length - right.length || compareLists(left, right);
    }
    case 3:
      return compareMaps(a as ReadonlyMap<ByteString, Term>, b as ReadonlyMap<ByteString, Term>);
    case 4:
      return compareLists(a as readonly Term[], b as readonly Term[]);
    default:
      return compareSimple(a as number | bigint | string, b as number | bigint | string);
  }
}

function rankOf(term: Term): number {
  if (typeof term === 'string') return 5;
  if (typeof term === 'number' || typeof term === 'bigint') return 0;
  if (term === null || typeof term === 'boolean' || term instanceof Atom) return 1;
  if (term instanceof Tuple) return 2;
  return term instanceof Map ? 3 : 4;
}

function nameOf(term: Term): string {
  if (term instanceof Atom) return term.name;
  return term === null ? 'null' : term === true ? 'true' : 'false';
}

function compareSimple<T extends number | bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareLists(a: readonly Term[], b: readonly Term[]): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i += 1) {
    const order = compareTerms(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareMaps(a: ReadonlyMap<ByteString, Term>, b: ReadonlyMap<ByteString, Term>): number {
  if (a.size !== b.size) return a.size - b.size;
  const [left, right] = [sortedMembers(a), sortedMembers(b)];
  return (
    compareLists(
      left.map(([name]) => name),
      right.map(([name]) => name),
    ) ||
    compareLists(
      left.map(([, value]) => value),
      right.map(([, value]) => value),
    )
  );
}

function sortedMembers(map: ReadonlyMap<ByteString, Term>): readonly (readonly [ByteString, Term])[] {
  return [...map].sort(([a], [b]) => compareSimple<string>(a, b));
}

/** Elements that are looked at before `pause`. */
const stepLength = 4096;

/** A merge sort from short sorted runs; stable. */
export async function sortedInSteps<T>(
  values: readonly T[],
  compare: (a: T, b: T) => number,
  pause: () => Promise<void>,
): Promise<readonly T[]> {
  let runs: (readonly T[])[] = [];
  for (let at = 0; at < values.length; at += stepLength) {
    runs.push(values.slice(at, at + stepLength).sort(compare));
    await pause();
  }
  while (runs.length > 1) {
    const merged: (readonly T[])[] = [];
    for (let i = 0; i < runs.length; i += 2) {
      const [left, right] = [runs[i]!, runs[i + 1]];
      merged.push(right === undefined ? left : await mergedRuns(left, right, compare, pause));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

async function mergedRuns<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (a: T, b: T) => number,
  pause: () => Promise<void>,
): Promise<readonly T[]> {
  const merged: T[] = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const takesLeft = j === right.length || (i < left.length && compare(left[i]!, right[j]!) <= 0);
    merged.push(takesLeft ? left[i++]! : right[j++]!);
    if (merged.length % stepLength === 0) await pause();
  }
  return merged;
}
