/** The parts that make a run repeatable: randomness, the order of events, the history's hash. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventQueue } from './event-queue.ts';
import { History } from './history.ts';
import { Prng } from './prng.ts';
import { WorkLedger } from './work-ledger.ts';

test('the generator is the same on every machine and version', () => {
  const prng = new Prng(42, 'golden');
  const drawn = [prng.u32(), prng.u32(), prng.fork('a').u32(), prng.fork('b').u32()];
  assert.deepEqual(drawn, goldenDraws);
});

test('a fork does not depend on what was drawn, nor draw from its parent', () => {
  const quiet = new Prng(7);
  const busy = new Prng(7);
  for (let i = 0; i < 10; i++) busy.u32();
  assert.equal(quiet.fork('disk').u32(), busy.fork('disk').u32());
  assert.notEqual(quiet.fork('disk').u32(), quiet.fork('network').u32());
});

test('draws are spread evenly, also for neighbouring seeds', () => {
  const buckets = new Array<number>(16).fill(0);
  for (let seed = 0; seed < 4000; seed++) buckets[new Prng(seed, 'x').below(16)]! += 1;
  // 250 expected each; six standard deviations are 92.
  for (const count of buckets) assert.ok(Math.abs(count - 250) < 92, buckets.join(' '));
});

test('events come in order of time, then of planning; cancelled ones do not', () => {
  const plans = fc.array(fc.record({ atMs: fc.integer({ min: 0, max: 9 }), isCancelled: fc.boolean() }));
  fc.assert(
    fc.property(plans, (wanted) => {
      const queue = new EventQueue();
      const planned = wanted.map(({ atMs }) => queue.plan(atMs, () => undefined));
      for (const [i, { isCancelled }] of wanted.entries()) if (isCancelled) planned[i]!.run = undefined;
      const taken: number[] = [];
      for (let event = queue.take(); event !== undefined; event = queue.take()) taken.push(event.order);
      const kept = [...wanted.keys()].filter((i) => !wanted[i]!.isCancelled);
      assert.deepEqual(
        taken,
        kept.sort((a, b) => wanted[a]!.atMs - wanted[b]!.atMs || a - b),
      );
    }),
  );
});

test('the hash tells histories apart by time, node, kind and detail', () => {
  const hashOf = (...events: [number, string, string, string][]): string => {
    const history = new History();
    for (const event of events) history.append(...event);
    return history.hash;
  };
  const base = hashOf([1, 'a', 'put', 'x']);
  assert.equal(base, hashOf([1, 'a', 'put', 'x']));
  const others = [
    hashOf([1.0000001, 'a', 'put', 'x']),
    hashOf([1, 'b', 'put', 'x']),
    hashOf([1, 'a', 'putx', '']),
    hashOf([1, 'a', 'put', 'x'], [1, 'a', 'put', 'x']),
  ];
  assert.equal(new Set([base, ...others]).size, 5);
  assert.match(base, /^[0-9a-f]{16}$/);
});

test('the history remembers the latest events in order', () => {
  const history = new History();
  for (let i = 0; i < 1000; i++) history.append(i, 'a', 'k', '');
  const times = history.recent().map(({ atMs }) => atMs);
  assert.equal(times.at(-1), 999);
  assert.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
  );
});

test('work that was not done is told', () => {
  const work = new WorkLedger();
  work.atLeast('puts', 2);
  work.add('puts');
  assert.deepEqual(work.unmet(), ['did 1 puts, not 2']);
  work.add('puts');
  assert.deepEqual(work.unmet(), []);
});

const goldenDraws = [242219603, 241824915, 3953147178, 1400204760];
