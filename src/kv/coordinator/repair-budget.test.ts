import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Clock, Instant, WallMicros } from '../../environment/index.ts';
import { RepairBudget } from './repair-budget.ts';

class HandClock implements Clock {
  nowMs = 1000;
  now(): Instant {
    return this.nowMs as Instant;
  }
  wallMicros(): WallMicros {
    return 0 as WallMicros;
  }
}

test('a budget of none allows none', () => {
  const clock = new HandClock();
  const budget = new RepairBudget(clock, 0);
  clock.nowMs += 1_000_000;
  assert.equal(budget.take(), false);
});

test('a burst of one second is allowed, then as many as time earns', () => {
  const clock = new HandClock();
  const budget = new RepairBudget(clock, 3);
  assert.deepEqual([budget.take(), budget.take(), budget.take(), budget.take()], [true, true, true, false]);
  clock.nowMs += 400;
  assert.deepEqual([budget.take(), budget.take()], [true, false]);
  clock.nowMs += 3_600_000;
  assert.deepEqual([budget.take(), budget.take(), budget.take(), budget.take()], [true, true, true, false]);
});

test('law: never more than the rate over any time, and one second of it at once', () => {
  const pauses = fc.array(fc.nat(700), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), pauses, (perSecondMax, delays) => {
      const clock = new HandClock();
      const budget = new RepairBudget(clock, perSecondMax);
      const startedAt = clock.nowMs;
      let taken = 0;
      for (const delay of delays) {
        clock.nowMs += delay;
        if (budget.take()) taken += 1;
        const earned = ((clock.nowMs - startedAt) / 1000) * perSecondMax;
        assert.ok(taken <= perSecondMax + earned + 1e-6);
      }
    }),
  );
});
