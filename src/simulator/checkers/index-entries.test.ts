import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkIndexEntries } from './index-entries.ts';
import { KeyHistory, type KeyWrite } from './key-history.ts';

function keyWith(name: string, ...writes: Partial<KeyWrite>[]): KeyHistory {
  const key = new KeyHistory('b', name, 'siblings');
  for (const write of writes) {
    const whole: KeyWrite = {
      id: 1,
      kind: 'put',
      invokedAt: 1,
      endedAt: 2,
      outcome: 'acked',
      past: new Set(),
      readsItself: false,
      condition: 'none',
      context: '',
      ...write,
    };
    key.writes.set(whole.id, whole);
  }
  return key;
}

const keys = [
  keyWith('k', { id: 1 }, { id: 2 }),
  keyWith('l', { id: 3 }),
  keyWith('busy', { id: 4 }, { id: 5, invokedAt: 20, endedAt: 30 }),
  keyWith('refused', { id: 6, outcome: 'refused' }),
];
const shown = new Map([
  ['k', [2]],
  ['l', [3]],
  ['busy', [4]],
]);
const check = (...entries: (readonly [number, string])[]) =>
  checkIndexEntries(
    { endedAt: 25, agreedAt: 10, shown, entries: entries.map(([id, key]) => ({ id, key })) },
    keys,
  ).map((violation) => violation.slice(0, 2));

test('what is shown, and anything of a key that is being written', () => {
  assert.deepEqual(check([2, 'k'], [3, 'l'], [4, 'busy']), []);
  assert.deepEqual(check([2, 'k'], [3, 'l'], [4, 'busy'], [5, 'busy']), []);
  assert.deepEqual(check([2, 'k'], [3, 'l']), []);
});

test('E1 to E3: twice, out of order, never written, missing, outdated', () => {
  assert.deepEqual(check([2, 'k'], [2, 'k'], [3, 'l']), ['E1', 'E3']);
  assert.deepEqual(check([3, 'l'], [2, 'k']), ['E1']);
  assert.deepEqual(check([2, 'k'], [3, 'l'], [6, 'refused']), ['E2', 'E3']);
  assert.deepEqual(check([2, 'k'], [3, 'l'], [9, 'strange']), ['E2']);
  assert.deepEqual(check([2, 'k']), ['E3']);
  assert.deepEqual(check([1, 'k'], [2, 'k'], [3, 'l']), ['E3']);
});
