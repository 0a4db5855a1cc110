import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Durability } from './durability.ts';

test('what is confirmed is stable, in order', () => {
  const durability = new Durability(3);
  durability.issue(5, true);
  const second = durability.issue(7, false);
  assert.deepEqual([durability.stableIndex, durability.isHardStateSettled], [3, false]);
  assert.throws(() => durability.confirm(second), /in the order/);
});

test('hard state is settled before the log that was written behind it', () => {
  const durability = new Durability(3);
  durability.issue(5, true);
  durability.issue(7, false);
  durability.confirm(1);
  assert.deepEqual(
    [durability.stableIndex, durability.isHardStateSettled, durability.isSettled],
    [5, true, false],
  );
  durability.confirm(2);
  assert.deepEqual([durability.stableIndex, durability.isSettled], [7, true]);
});

test('entries that were replaced while their write was under way are not stable by it', () => {
  const durability = new Durability(3);
  durability.issue(10, false);
  durability.truncatedFrom(5);
  durability.issue(6, false);
  durability.confirm(1);
  assert.equal(durability.stableIndex, 4);
  durability.confirm(2);
  assert.equal(durability.stableIndex, 6);
});

test('entries that were stable and are replaced are not', () => {
  const durability = new Durability(8);
  durability.truncatedFrom(5);
  assert.equal(durability.stableIndex, 4);
});

test('behind a snapshot that is still to be written nothing is stable', () => {
  const durability = new Durability(8);
  durability.issue(9, false);
  durability.reset();
  durability.issue(20, true);
  durability.confirm(1);
  assert.equal(durability.stableIndex, 0);
  durability.confirm(2);
  assert.equal(durability.stableIndex, 20);
});
