import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Instant } from '../../environment/index.ts';
import { BackgroundRate } from './background-rate.ts';

const options = { bytesPerSecondMin: 1000, bytesPerSecondMax: 50_000, stepBytesPerSecond: 500 };
const intervalMs = 100;

/** Takes as much as the rate allows, in slices; returns what it took. */
function useUp(rate: BackgroundRate, from: number, sliceBytes: number): number {
  let taken = 0;
  for (let now = from; now < from + intervalMs; now += Math.max(0.1, rate.waitMs(now as Instant))) {
    if (rate.waitMs(now as Instant) > 0) continue;
    rate.take(sliceBytes, now as Instant);
    taken += sliceBytes;
  }
  return taken;
}

test('B1 to B3: within its bounds; half of it after a delay; a step more when it was used, and only then', () => {
  const interval = fc.record({ isDelayed: fc.boolean(), isUsed: fc.boolean() });
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 300 }), (intervals) => {
      const rate = new BackgroundRate(options, 0 as Instant);
      let now = 0;
      let cuts = 0;
      for (const { isDelayed, isUsed } of intervals) {
        const before = rate.bytesPerSecond;
        // An interval in which all is still being paid for uses the rate as well, but takes nothing: it may stay.
        const taken = isUsed ? useUp(rate, now, 10) : 0;
        now += intervalMs;
        rate.judge(isDelayed, now as Instant);
        const after = rate.bytesPerSecond;
        if (isDelayed) {
          cuts += 1;
          assert.equal(after, Math.max(options.bytesPerSecondMin, before / 2));
        } else if (taken === 0) assert.equal(after, before);
        else assert.equal(after, Math.min(options.bytesPerSecondMax, before + options.stepBytesPerSecond));
        assert.ok(after >= options.bytesPerSecondMin && after <= options.bytesPerSecondMax);
      }
      assert.equal(rate.cuts, cuts);
    }),
  );
});

test('B1: what has begun ends, though every interval is one of delay', () => {
  const rate = new BackgroundRate(options, 0 as Instant);
  let taken = 0;
  for (let now = 0; now < 10_000; now += intervalMs) {
    taken += useUp(rate, now, 100);
    rate.judge(true, (now + intervalMs) as Instant);
  }
  assert.ok(Math.abs(taken - 10 * options.bytesPerSecondMin) <= 200, `${taken} bytes in ten seconds`);
  assert.ok(rate.isLeast);
});

test('B4: time that nobody used is not saved up', () => {
  const rate = new BackgroundRate(options, 0 as Instant);
  rate.take(1000, 0 as Instant);
  assert.equal(rate.waitMs(0 as Instant), 1000);
  assert.equal(rate.waitMs(5000 as Instant), 0);
  rate.take(500, 5000 as Instant);
  assert.equal(rate.waitMs(5000 as Instant), 500);
});

test('it finds what a machine has left beside its requests, and goes about it', () => {
  const bytesPerSecondLeft = 12_000;
  const rate = new BackgroundRate(options, 0 as Instant);
  let taken = 0;
  for (let now = 0; now < 60_000; now += intervalMs) {
    taken += useUp(rate, now, 10);
    rate.judge(rate.bytesPerSecond > bytesPerSecondLeft, (now + intervalMs) as Instant);
  }
  const mean = taken / 60;
  assert.ok(mean > bytesPerSecondLeft / 2 && mean < bytesPerSecondLeft, `${mean} bytes a second`);
});
