import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bucketCount, bucketOf, bucketTop, SlidingCounter, SlidingHistogram } from './sliding-window.ts';

const anyValue = fc.oneof(fc.nat({ max: 300 }), fc.double({ min: 0, max: 2 ** 32 - 1, noNaN: true }));

test('law: a value lies in its bucket, and no bucket is more than a quarter wider than its floor', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const whole = Math.floor(value);
      const bucket = bucketOf(value);
      assert.ok(bucket >= 0 && bucket < bucketCount);
      assert.ok(whole <= bucketTop(bucket));
      if (bucket === 0) return;
      const floor = bucketTop(bucket - 1) + 1;
      assert.ok(floor <= whole);
      assert.ok(bucketTop(bucket) - floor <= floor / 4);
    }),
  );
});

test('law: buckets are ordered, and each contains its own top', () => {
  for (let bucket = 0; bucket < bucketCount; bucket += 1) assert.equal(bucketOf(bucketTop(bucket)), bucket);
  assert.equal(bucketTop(bucketCount - 1), 2 ** 32 - 1);
});

test('values that cannot be are counted at the ends', () => {
  assert.equal(bucketOf(-1), 0);
  assert.equal(bucketOf(2 ** 40), bucketCount - 1);
});

test('law: a percentile is at most a quarter above the exact one, and never below it', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 10_000_000 }), { minLength: 1, maxLength: 200 }), (values) => {
      const histogram = new SlidingHistogram();
      for (const value of values) histogram.record(value);
      const sorted = [...values].sort((a, b) => a - b);
      const exact = (fraction: number) => sorted[Math.ceil(sorted.length * fraction) - 1]!;
      const { median, percentile95, percentile99, largest, mean, count } = histogram.recent;
      for (const [shown, fraction] of [
        [median, 0.5],
        [percentile95, 0.95],
        [percentile99, 0.99],
        [largest, 1],
      ] as const) {
        assert.ok(
          shown >= exact(fraction) && shown <= exact(fraction) * 1.25,
          `${shown} for ${exact(fraction)}`,
        );
      }
      assert.equal(count, values.length);
      assert.ok(Math.abs(mean - values.reduce((a, b) => a + b, 0) / values.length) < 1e-3);
    }),
  );
});

test('a counter shows what came in the last minute, and all of it', () => {
  const counter = new SlidingCounter();
  counter.add(5);
  assert.equal(counter.recent, 5);
  for (let sample = 0; sample < 12; sample += 1) counter.sample();
  assert.equal(counter.recent, 5);
  counter.add(2);
  counter.sample();
  assert.equal(counter.recent, 2);
  assert.equal(counter.total, 7);
});

test('a histogram forgets after a minute, and is zero when nothing happened', () => {
  const histogram = new SlidingHistogram();
  histogram.record(100);
  for (let sample = 0; sample < 13; sample += 1) histogram.sample();
  assert.deepEqual(histogram.recent, {
    count: 0,
    mean: 0,
    median: 0,
    percentile95: 0,
    percentile99: 0,
    largest: 0,
  });
  histogram.record(7);
  assert.equal(histogram.recent.count, 1);
  assert.equal(histogram.recent.mean, 7);
});
