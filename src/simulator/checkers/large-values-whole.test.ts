import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLargeAtRest, type LargeWrite } from './large-values-whole.ts';

function checked(shown: readonly number[], ...writes: readonly LargeWrite[]): readonly string[] {
  return checkLargeAtRest(new Map([['k', shown]]), new Map(writes.map((write) => [write.id, write])));
}

const write = (id: number, outcome: LargeWrite['outcome'], ...past: number[]): LargeWrite => {
  return { id, key: 'k', bytes: 5000, outcome, past };
};

test('L2: what was acknowledged and not replaced is shown', () => {
  assert.deepEqual(checked([1], write(1, 'acked')), []);
  assert.deepEqual(checked([], write(1, 'acked')), ['L2 k: 1 was acknowledged and is lost']);
  assert.deepEqual(checked([], write(1, 'unknown'), write(2, 'refused')), []);
});

test('L2: what was replaced for sure is not back; what may have been replaced may be missing', () => {
  assert.deepEqual(checked([2], write(1, 'acked'), write(2, 'acked', 1)), []);
  assert.deepEqual(checked([1, 2], write(1, 'acked'), write(2, 'acked', 1)), [
    'L2 k: 1 was replaced and is back',
  ]);
  assert.deepEqual(checked([1], write(1, 'acked'), write(2, 'unknown', 1)), []);
  assert.deepEqual(checked([2], write(1, 'acked'), write(2, 'unknown', 1)), []);
  assert.deepEqual(checked([], write(1, 'acked'), write(2, 'refused', 1)), [
    'L2 k: 1 was acknowledged and is lost',
  ]);
});

test('L2: a delete shows nothing, and replaces', () => {
  const gone = { ...write(2, 'acked', 1), bytes: undefined };
  assert.deepEqual(checked([], write(1, 'acked'), gone), []);
  assert.deepEqual(checked([1], write(1, 'acked'), gone), ['L2 k: 1 was replaced and is back']);
});
