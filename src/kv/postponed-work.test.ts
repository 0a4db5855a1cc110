import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PostponedWork } from './postponed-work.ts';

/** Timers that expire when told to. */
function heldTimers() {
  const wakes = new Set<() => void>();
  const after = (_delayMs: number, wake: () => void) => {
    wakes.add(wake);
    return { cancel: () => void wakes.delete(wake) };
  };
  const expire = () => {
    for (const wake of [...wakes]) {
      wakes.delete(wake);
      wake();
    }
  };
  return { after, expire, wakes };
}

test('work beyond the limit is left undone; what was done makes room', () => {
  const timers = heldTimers();
  const postponed = new PostponedWork(timers, 2);
  const done: string[] = [];
  for (const name of ['a', 'b', 'c']) postponed.postpone(10, () => done.push(name));
  timers.expire();
  postponed.postpone(10, () => done.push('d'));
  timers.expire();
  assert.deepEqual(done, ['a', 'b', 'd']);
});

test('closing drops what waits and what comes, and leaves no timer', () => {
  const timers = heldTimers();
  const postponed = new PostponedWork(timers, 2);
  postponed.postpone(10, () => assert.fail('dropped'));
  postponed.close();
  postponed.postpone(10, () => assert.fail('too late'));
  assert.equal(timers.wakes.size, 0);
});
