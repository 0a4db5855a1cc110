import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeIdOf } from '../../environment/index.ts';
import { HedgeBudget } from './hedge-budget.ts';
import { PeerLatencies } from './peer-latencies.ts';

const a = nodeIdOf('a@host');
const b = nodeIdOf('b@host');

test('slowMs is the 95th percentile, within a quarter of a doubling and what a refresh may be behind', () => {
  const samples = fc.array(fc.double({ min: 0.1, max: 5000, noNaN: true }), {
    minLength: 256,
    maxLength: 256,
  });
  fc.assert(
    fc.property(samples, (all) => {
      const latencies = new PeerLatencies();
      // Twice, so that the last refresh has seen each of them.
      for (const ms of [...all, ...all]) latencies.record(a, ms);
      const sorted = [...all].sort((x, y) => x - y);
      const slowMs = latencies.slowMs(a);
      assert.ok(slowMs !== undefined);
      assert.ok(slowMs >= sorted[Math.floor(all.length * 0.85)]!, `${slowMs} is too low`);
      assert.ok(slowMs <= sorted.at(-1)! * 2 ** 0.25 + 1e-9, `${slowMs} is too high`);
    }),
    { numRuns: 200 },
  );
});

test('nothing is said of a peer before it was heard a few times; what was long ago fades', () => {
  const latencies = new PeerLatencies();
  for (let i = 0; i < 7; i += 1) latencies.record(a, 1);
  assert.equal(latencies.slowMs(a), undefined);
  for (let i = 0; i < 1000; i += 1) latencies.record(a, 1);
  const quick = latencies.slowMs(a)!;
  for (let i = 0; i < 4000; i += 1) latencies.record(a, 400);
  assert.ok(quick < 2 && latencies.slowMs(a)! > 300);
  for (let i = 0; i < 20_000; i += 1) latencies.record(a, 1);
  assert.equal(latencies.slowMs(a), quick);
});

test('the nearer peer has the lower rank; equals and strangers have the same', () => {
  const latencies = new PeerLatencies();
  assert.equal(latencies.rank(a), latencies.rank(b));
  for (let i = 0; i < 300; i += 1) {
    latencies.record(a, 0.5);
    latencies.record(b, 40);
  }
  assert.ok(latencies.rank(a) < latencies.rank(b));
  latencies.keepOnly((peer) => peer === a);
  assert.equal(latencies.slowMs(b), undefined);
  assert.ok(latencies.slowMs(a) !== undefined);
});

test('hedges are a share of the reads: one in ten when every read is late', () => {
  const budget = new HedgeBudget();
  let hedged = 0;
  for (let read = 0; read < 1000; read += 1) {
    budget.readBegan();
    if (budget.take()) hedged += 1;
  }
  assert.ok(hedged > 100 && hedged <= 121, `${hedged}`);
});
