import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyQueues, keyQueueMaxDefault as keyQueueMax } from './key-queues.ts';

function queues(waitingMax?: number) {
  const turns: (() => void)[] = [];
  const endTurns = () => {
    while (turns.length > 0) turns.shift()!();
  };
  return { queues: new KeyQueues({ endOfTurn: (run) => void turns.push(run) }, waitingMax), endTurns };
}

test('one has a key at a time, in order; other keys are not held up', () => {
  const { queues: keys, endTurns } = queues();
  const told: string[] = [];
  for (const name of ['a1', 'a2', 'b1', 'a3']) {
    assert.ok(keys.enter(name[0]!, () => void told.push(name)));
  }
  assert.deepEqual(told, ['a1', 'b1']);
  keys.leave('a');
  endTurns();
  assert.deepEqual(told, ['a1', 'b1', 'a2']);
  for (let left = 0; left < 2; left += 1) {
    keys.leave('a');
    endTurns();
  }
  assert.deepEqual(told, ['a1', 'b1', 'a2', 'a3']);
  keys.leave('b');
  assert.throws(() => keys.leave('a'), /has it/);
});

test('so many may wait; those that leave at once do not grow the stack', () => {
  const { queues: keys, endTurns } = queues();
  let started = 0;
  const start = () => {
    started += 1;
    if (started > 1) keys.leave('k');
  };
  for (let i = 0; i <= keyQueueMax; i += 1) assert.ok(keys.enter('k', start));
  assert.equal(keys.enter('k', start), false);
  keys.leave('k');
  endTurns();
  assert.equal(started, keyQueueMax + 1);
  assert.ok(keys.enter('k', start), 'it is free again');
});

test('fewer wait where fewer are asked for', () => {
  const { queues: keys } = queues(1);
  const start = () => {};
  assert.ok(keys.enter('k', start));
  assert.ok(keys.enter('k', start));
  assert.equal(keys.enter('k', start), false);
});
