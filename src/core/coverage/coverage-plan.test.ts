import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeIdOf } from '../../environment/index.ts';
import { type Partition, Ring } from '../ring/index.ts';
import { planCoverage } from './coverage-plan.ts';

const ringOf = (size: number) => Ring.ownedByOne(1, size, nodeIdOf('a@host'));

test('with all available, about every n-th partition answers', () => {
  const plan = planCoverage(ringOf(64), 3, 5, () => true);
  assert.equal(plan.kind, 'covered');
  assert.equal(plan.kind === 'covered' && plan.steps.length, 22);
  assert.equal(plan.kind === 'covered' && plan.steps.filter((step) => step.firstPartitions).length, 1);
});

test('n=1 asks every partition without a filter', () => {
  const plan = planCoverage(ringOf(8), 1, 3, () => true);
  assert.ok(
    plan.kind === 'covered' && plan.steps.length === 8 && plan.steps.every((s) => !s.firstPartitions),
  );
});

test('law: every first partition is reported exactly once, by an available partition that holds it, or named as missing', () => {
  const cases = fc.record({
    size: fc.constantFrom(8, 16, 64),
    n: fc.integer({ min: 1, max: 5 }),
    offset: fc.nat(63),
    down: fc.uniqueArray(fc.nat(63), { maxLength: 20 }),
  });
  fc.assert(
    fc.property(cases, ({ size, n, offset, down }) => {
      const ring = ringOf(size);
      const unavailable = new Set(down);
      const isAvailable = (partition: Partition) => !unavailable.has(partition);
      const plan = planCoverage(ring, n, offset, isAvailable);
      const holders = (first: Partition) => Array.from({ length: n }, (_, step) => ring.after(first, step));
      const lost = ring.partitions().filter((first) => !holders(first).some(isAvailable));
      if (plan.kind === 'insufficient') {
        assert.deepEqual(new Set(plan.missing), new Set(lost));
        assert.ok(lost.length > 0);
        return;
      }
      assert.equal(lost.length, 0);
      const reported: Partition[] = [];
      for (const step of plan.steps) {
        assert.ok(isAvailable(step.partition));
        const held = Array.from({ length: n }, (_, back) => ring.after(step.partition, ring.size - back));
        const mine = step.firstPartitions ?? new Set(held);
        for (const first of mine) assert.ok(held.includes(first));
        reported.push(...mine);
      }
      assert.deepEqual(
        reported.sort((a, b) => a - b),
        ring.partitions(),
      );
    }),
  );
});
