import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OrderedMap, type OrderedMapSnapshot } from './ordered-map.ts';

/** The slow oracle: a plain map, sorted when asked. */
function sorted(oracle: ReadonlyMap<string, number>): [string, number][] {
  return [...oracle].sort(([a], [b]) => (a < b ? -1 : 1));
}

function listed(snapshot: OrderedMapSnapshot<number>, reverse = false): [string, number][] {
  const all: [string, number][] = [];
  for (const walker = snapshot.walk(reverse); walker.next(); ) all.push([walker.key, walker.value]);
  return all;
}

type Step = { readonly kind: 'set' | 'delete' | 'seek' | 'snapshot'; readonly key: number };

/** Few distinct keys, so that deletes hit; enough steps for trees of three levels are in the last test. */
const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom('set', 'set', 'set', 'delete', 'delete', 'seek', 'snapshot'),
    key: fc.integer({ min: 0, max: 700 }),
  }),
  { minLength: 50, maxLength: 1500, size: 'max' },
);

test('a map agrees with a sorted array after any steps, and each snapshot with the array of its time', () => {
  fc.assert(
    fc.property(steps, (history) => {
      const map = new OrderedMap<number>();
      const oracle = new Map<string, number>();
      const snapshots: { snapshot: OrderedMapSnapshot<number>; expected: [string, number][] }[] = [];
      history.forEach((step, i) => {
        const key = String(step.key);
        if (step.kind === 'set') {
          assert.equal(map.set(key, i), oracle.get(key));
          oracle.set(key, i);
        } else if (step.kind === 'delete') {
          assert.equal(map.delete(key), oracle.get(key));
          oracle.delete(key);
        } else if (step.kind === 'snapshot') {
          snapshots.push({ snapshot: map.snapshot(), expected: sorted(oracle) });
        } else {
          assert.equal(map.get(key), oracle.get(key));
          checkSeek(map.snapshot(), sorted(oracle), key);
        }
        assert.equal(map.size, oracle.size);
      });
      snapshots.push({ snapshot: map.snapshot(), expected: sorted(oracle) });
      for (const { snapshot, expected } of snapshots) {
        assert.deepEqual(listed(snapshot), expected);
        assert.deepEqual(listed(snapshot, true), expected.toReversed());
        assert.equal(snapshot.size, expected.length);
      }
    }),
    { numRuns: 100 },
  );
});

function checkSeek(snapshot: OrderedMapSnapshot<number>, entries: [string, number][], key: string): void {
  const forward = snapshot.walk();
  const above = entries.filter(([each]) => each >= key);
  assert.equal(forward.seek(key), above.length > 0);
  if (above.length > 0) assert.equal(forward.key, above[0]![0]);
  assert.equal(forward.next(), above.length > 1);
  const reverse = snapshot.walk(true);
  const below = entries.filter(([each]) => each <= key);
  assert.equal(reverse.seek(key), below.length > 0);
  if (below.length > 0) assert.equal(reverse.key, below.at(-1)![0]);
  assert.equal(reverse.next(), below.length > 1);
}

test('a deep tree survives being emptied from either end and from the middle', () => {
  for (const order of ['ascending', 'descending', 'middle'] as const) {
    const map = new OrderedMap<number>();
    const count = 20_000;
    const keys = Array.from({ length: count }, (_, i) => String((i * 7919) % count).padStart(6, '0'));
    for (const key of keys) map.set(key, 1);
    const full = map.snapshot();
    const middle = count / 2;
    const sortedKeys = keys.toSorted();
    if (order === 'descending') sortedKeys.reverse();
    if (order === 'middle')
      sortedKeys.sort((a, b) => Math.abs(Number(a) - middle) - Math.abs(Number(b) - middle));
    for (const key of sortedKeys) assert.equal(map.delete(key), 1);
    assert.equal(map.size, 0);
    assert.deepEqual(listed(map.snapshot()), []);
    assert.equal(listed(full).length, count);
    map.set('again', 1);
    assert.deepEqual(listed(map.snapshot()), [['again', 1]]);
  }
});
