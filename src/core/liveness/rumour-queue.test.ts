import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeIdOf } from '../../environment/index.ts';
import { RumourQueue, rumoursMax } from './rumour-queue.ts';

const names = ['a', 'b', 'c', 'd', 'e'].map(nodeIdOf);

function offered(queue: RumourQueue, room: number, timesMax: number): string[] {
  const taken: string[] = [];
  queue.take(timesMax, (node) => {
    if (taken.length === room) return false;
    taken.push(node);
    return true;
  });
  return taken;
}

test('law: the least told goes first, the older before the younger, and nothing is told more often than it may', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constantFrom('push' as const, 'remove' as const), node: fc.constantFrom(...names) }),
    fc.record({ kind: fc.constant('take' as const), room: fc.integer({ min: 1, max: 4 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 4 }), (steps, timesMax) => {
      const queue = new RumourQueue();
      let oracle: { node: string; times: number; order: number }[] = [];
      let order = 0;
      for (const each of steps) {
        if (each.kind === 'take') {
          const expected = oracle
            .toSorted((a, b) => a.times - b.times || a.order - b.order)
            .slice(0, each.room);
          assert.deepEqual(
            offered(queue, each.room, timesMax),
            expected.map(({ node }) => node),
          );
          for (const taken of expected) {
            taken.times += 1;
            taken.order = order++;
          }
          oracle = oracle.filter(({ times }) => times < timesMax);
        } else {
          queue[each.kind](each.node);
          oracle = oracle.filter(({ node }) => node !== each.node);
          if (each.kind === 'push') oracle.push({ node: each.node, times: 0, order: order++ });
        }
        assert.equal(queue.isEmpty, oracle.length === 0);
      }
    }),
  );
});

test('news of the same member takes the place of the old', () => {
  const queue = new RumourQueue();
  queue.push(names[0]!);
  queue.push(names[1]!);
  offered(queue, 1, 3);
  queue.push(names[0]!);
  assert.deepEqual(offered(queue, 5, 3), ['b', 'a']);
  queue.clear();
  assert.ok(queue.isEmpty);
});

test('a full queue forgets what was told most, the oldest of it first', () => {
  const queue = new RumourQueue();
  const many = Array.from({ length: rumoursMax }, (_, i) => nodeIdOf(`n${i}`));
  for (const node of many) queue.push(node);
  assert.ok(queue.isFull);
  assert.deepEqual(offered(queue, 2, 3), ['n0', 'n1']);
  queue.push(nodeIdOf('late'));
  queue.push(nodeIdOf('later'));
  const left = offered(queue, 1000, 3);
  assert.equal(left.length, rumoursMax);
  assert.deepEqual(left, [...many.slice(2), 'late', 'later']);
});
