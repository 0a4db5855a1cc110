import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Crdt, decodeCrdt, encodeCrdt, encodeCrdtAfter, joinCrdts, updateCrdt } from './index.ts';
import { actorOf, add, increment, Replica, remove } from './replica.fixture.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 500);

/** Long and short, so that lengths and counters have one byte and two. */
const names = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(i % 7 === 0 ? 200 : (i % 5) + 2, 'x'));
const some = fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 4 });
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), at: fc.nat(1), elements: some }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('remove' as const), at: fc.nat(1), elements: some }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('receive' as const), at: fc.nat(1) }) },
  ),
  { maxLength: 30 },
);

test('law: the encoding after an update is the one that is written anew', () => {
  fc.assert(
    fc.property(steps, fc.nat(1), (history, first) => {
      const states: Crdt[] = [new Replica('set', 0).crdt, new Replica('set', 1).crdt];
      // Counters of more than one byte, too.
      const issued = [1000, 0];
      const check = (before: Crdt, after: Crdt): void => {
        // In the midst of a buffer, as a value is in an object.
        const bytes = Buffer.concat([Buffer.from('head'), encodeCrdt(before)]).subarray(4);
        assert.deepEqual(encodeCrdtAfter(after, { crdt: before, bytes }), encodeCrdt(after));
      };
      const update = (at: number, operation: ReturnType<typeof add>): void => {
        const before = states[at]!;
        issued[at]! += 1;
        const dot = { actor: actorOf(at), counter: issued[at]! };
        const result = updateCrdt(before, { operation, dot, micros: 1, context: undefined });
        if (result.kind === 'refused') return;
        check(before, result.state);
        // As a replica makes it.
        check(before, joinCrdts(before, decodeCrdt(encodeCrdt(result.delta))));
        states[at] = result.state;
      };
      update(first, add(...names.slice(0, 20)));
      for (const step of history) {
        if (step.kind === 'add') update(step.at, add(...step.elements));
        else if (step.kind === 'remove') update(step.at, remove(...step.elements));
        else {
          const joined = joinCrdts(states[step.at]!, states[1 - step.at]!);
          check(states[step.at]!, joined);
          states[step.at] = joined;
        }
      }
    }),
    { numRuns },
  );
});

test('what both have is copied as it is', () => {
  const replica = new Replica('set', 1);
  replica.update(add('kept', 'y'));
  const before = replica.crdt;
  const bytes = encodeCrdt(before);
  bytes.write('KEPT', bytes.indexOf('kept'));
  const dot = { actor: actorOf(1), counter: 2 };
  const result = updateCrdt(before, { operation: add('z'), dot, micros: 1, context: undefined });
  assert.ok(result.kind === 'updated');
  assert.ok(encodeCrdtAfter(result.state, { crdt: before, bytes }).includes('KEPT'));
});

test('what is no set, has become one, or has removals written down, is written anew', () => {
  const a = new Replica('set', 1);
  const b = new Replica('set', 2);
  b.update(add('late'));
  a.update(add('x', 'y'));
  const before = { crdt: a.crdt, bytes: encodeCrdt(a.crdt) };
  a.update(remove('late'), b.context);
  for (const crdt of [a.crdt, new Replica('counter', 1).receive(counted()).crdt]) {
    assert.deepEqual(encodeCrdtAfter(crdt, before), encodeCrdt(crdt));
    assert.deepEqual(encodeCrdtAfter(crdt, undefined), encodeCrdt(crdt));
  }
  const pending = { crdt: a.crdt, bytes: encodeCrdt(a.crdt) };
  a.receive(b);
  assert.deepEqual(encodeCrdtAfter(a.crdt, pending), encodeCrdt(a.crdt));
});

function counted(): Replica {
  const replica = new Replica('counter', 1);
  replica.update(increment(1));
  return replica;
}
