import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DatatypeKey, type DatatypeUpdate, nothingShown, type ShownPlaces } from './datatype-history.ts';
import { checkDatatypeAtRest, checkDatatypeRead } from './datatypes-hold.ts';

const twins = { left: 'left/', right: 'right/' };
const places = (...shown: string[]): ShownPlaces => ({ ...nothingShown, places: new Set(shown) });
const sum = (value: bigint): ShownPlaces => ({ ...nothingShown, sums: new Map([['', value]]) });
const kinds = (violations: readonly string[]) => violations.map((violation) => violation.slice(0, 3));

function update(invokedAt: number, changes: Partial<DatatypeUpdate>): DatatypeUpdate {
  const outcome = changes.outcome ?? 'acked';
  return {
    key: 'k',
    invokedAt,
    outcome,
    endedAt: outcome === 'acked' ? invokedAt + 1 : Number.POSITIVE_INFINITY,
    increments: new Map(),
    adds: [],
    removes: [],
    seen: undefined,
    isDelete: false,
    assigns: new Map(),
    ...changes,
  };
}

const add = (at: number, place: string, changes: Partial<DatatypeUpdate> = {}) =>
  update(at, { adds: [place], ...changes });
const increment = (by: number, outcome: DatatypeUpdate['outcome'] = 'acked') =>
  update(1, { increments: new Map([['', by]]), outcome });
const seen = (endedAt: number, ...shown: string[]) => ({ key: 'k', endedAt, shown: places(...shown) });

function key(...updates: readonly DatatypeUpdate[]): DatatypeKey {
  const made = new DatatypeKey('k', 'set');
  made.updates.push(...updates);
  return made;
}

const atRest = (shown: ShownPlaces, ...updates: readonly DatatypeUpdate[]) =>
  kinds(checkDatatypeAtRest({ shown }, key(...updates)));
const read = (shown: ShownPlaces, ...updates: readonly DatatypeUpdate[]) =>
  kinds(checkDatatypeRead({ key: 'k', endedAt: 9, shown }, key(...updates), twins));

test('DT1: nothing is shown that nobody added or assigned', () => {
  assert.deepEqual(read(places('a'), add(1, 'a', { outcome: 'unknown' })), []);
  assert.deepEqual(read(places('a'), add(1, 'b')), ['DT1']);
  assert.deepEqual(read(places('a'), add(1, 'a', { outcome: 'refused' })), ['DT1']);
  const assigned = update(1, { assigns: new Map([['r', 'x']]) });
  assert.deepEqual(read({ ...nothingShown, registers: new Map([['r', 'y']]) }, assigned), ['DT1']);
});

test('DT2: what was added together shows together', () => {
  const both = update(1, { adds: ['left/a', 'right/a'] });
  assert.deepEqual(read(places('left/a', 'right/a'), both), []);
  assert.deepEqual(read(places('left/a'), both), ['DT2']);
});

test('DT3: a counter has each increment once, and some of those that nobody knows of', () => {
  const updates = [
    increment(5),
    increment(100, 'unknown'),
    increment(-7, 'unknown'),
    increment(9, 'refused'),
  ];
  for (const value of [5n, 105n, -2n, 98n]) assert.deepEqual(atRest(sum(value), ...updates), []);
  for (const value of [10n, 0n, 205n, 14n]) assert.deepEqual(atRest(sum(value), ...updates), ['DT3']);
  const many = Array.from({ length: 30 }, () => increment(2, 'unknown'));
  assert.deepEqual(atRest(sum(60n), ...many), []);
  assert.deepEqual(atRest(sum(62n), ...many), ['DT3']);
});

test('DT4: what was added stays, unless a removal could have seen it', () => {
  const gone = places();
  assert.deepEqual(atRest(gone, add(5, 'a')), ['DT4']);
  assert.deepEqual(atRest(gone, add(5, 'a', { outcome: 'unknown' })), []);
  assert.deepEqual(atRest(gone, add(5, 'a'), update(9, { removes: ['a'], seen: seen(8, 'a') })), []);
  // The remover had read before the add began.
  assert.deepEqual(atRest(gone, add(5, 'a'), update(9, { removes: ['a'], seen: seen(4, 'a') })), ['DT4']);
  assert.deepEqual(atRest(gone, add(5, 'a'), update(1, { removes: ['a'] })), ['DT4'], 'without a context');
  assert.deepEqual(atRest(gone, add(5, 'a'), update(6, { removes: ['a'], outcome: 'refused' })), ['DT4']);
  assert.deepEqual(atRest(gone, add(5, 'a'), update(1, { removes: ['a'], outcome: 'unknown' })), []);
  assert.deepEqual(atRest(gone, add(5, 'm/s/a'), update(9, { removes: ['m/'] })), []);
  assert.deepEqual(atRest(gone, add(5, 'm/s/a'), update(9, { removes: ['m'] })), ['DT4']);
});

test('DT5: what was seen and removed does not come back', () => {
  const removal = update(9, { removes: ['a'], seen: seen(8, 'a') });
  assert.deepEqual(atRest(places('a'), add(5, 'a'), removal), ['DT5']);
  assert.deepEqual(atRest(places('a'), add(5, 'a'), { ...removal, outcome: 'unknown' }), []);
  assert.deepEqual(atRest(places('a'), add(5, 'a'), add(6, 'a'), removal), [], 'the other add is unseen');
  assert.deepEqual(atRest(places('a'), add(5, 'a'), update(9, { removes: ['a'], seen: seen(4) })), []);
  assert.deepEqual(atRest(places('a'), add(5, 'a'), update(9, { removes: ['a'] })), ['DT5'], 'it was there');
  const disabled = update(4, { removes: ['on:flag/'] });
  assert.deepEqual(atRest(places('on:flag/'), add(5, 'on:flag/'), disabled), [], 'it may have found nothing');
  const deleted = update(9, { removes: [''], isDelete: true });
  assert.deepEqual(atRest(places('a'), add(5, 'a'), removal, deleted), []);
});

test('DT6: a register that was assigned has a value', () => {
  const assigned = update(1, { assigns: new Map([['r', 'x']]) });
  assert.deepEqual(atRest(nothingShown, assigned), ['DT6']);
  assert.deepEqual(atRest({ ...nothingShown, registers: new Map([['r', 'x']]) }, assigned), []);
});

test('DT7: a sketch counts what was added', () => {
  const sketch = new DatatypeKey('k', 'hll');
  for (let i = 0; i < 100; i += 1) sketch.updates.push(add(i, `e${i}`));
  sketch.updates.push(add(200, 'unknown', { outcome: 'unknown' }));
  const check = (estimate: number) =>
    kinds(checkDatatypeAtRest({ shown: { ...nothingShown, estimate } }, sketch));
  for (const estimate of [97, 100, 104]) assert.deepEqual(check(estimate), []);
  for (const estimate of [90, 110]) assert.deepEqual(check(estimate), ['DT7']);
});
