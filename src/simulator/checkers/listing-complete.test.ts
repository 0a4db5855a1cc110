import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyHistory, type KeyWrite } from './key-history.ts';
import { checkListingComplete } from './listing-complete.ts';

function key(name: string, ...writes: readonly Partial<KeyWrite>[]): KeyHistory {
  const history = new KeyHistory('b', name, 'siblings');
  writes.forEach((write, id) => {
    const usual = {
      id,
      kind: 'put',
      outcome: 'acked',
      invokedAt: 1,
      endedAt: 2,
      past: new Set<number>(),
    } as const;
    history.writes.set(id, { ...usual, readsItself: false, condition: 'none', context: '', ...write });
  });
  return history;
}

/** The rules that a listing from 10 to 20 breaks, the replicas having agreed at 5. */
function broken(keys: readonly string[], histories: readonly KeyHistory[], replicasForget = false): string {
  const listing = { bucket: 'b', invokedAt: 10, endedAt: 20, agreedAt: 5, keys };
  return checkListingComplete(listing, histories, replicasForget)
    .map((violation) => violation.slice(0, 2))
    .join();
}

test('L1: a key that was there throughout is listed', () => {
  assert.equal(broken([], [key('k', {})]), 'L1');
  assert.equal(broken(['k'], [key('k', {})]), '');
  assert.equal(broken([], [key('k', { endedAt: 6 })]), '', 'not all replicas need have it');
  assert.equal(broken([], [key('k', {}, { kind: 'delete', invokedAt: 15 })]), '', 'it may be gone');
  assert.equal(broken([], [key('k', {}, { kind: 'delete', outcome: 'refused' })]), 'L1');
  assert.equal(broken([], [key('k', {})], true), '');
});

test('L2: a key that was never put is not listed', () => {
  assert.equal(broken(['k'], []), 'L2');
  assert.equal(broken(['k'], [key('k', { outcome: 'refused' })]), 'L2');
  assert.equal(broken(['k'], [key('k', { invokedAt: 30 })]), 'L2');
  assert.equal(broken(['k'], [key('k', { outcome: 'unknown', invokedAt: 15 })]), '');
});

test('L3: a key is listed once', () => {
  assert.equal(broken(['k', 'k'], [key('k', {})]), 'L3');
});
