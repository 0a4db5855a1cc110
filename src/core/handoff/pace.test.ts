import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Instant } from '../../environment/index.ts';
import { MissedWrites } from './missed-writes.ts';
import { RateLimit } from './rate-limit.ts';

test('a rate limit lets pass no more than its rate, and not much less', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1 }), (sizes) => {
      const limit = new RateLimit(1000);
      let now = 50 as Instant;
      let bytes = 0;
      for (const size of sizes) {
        now = (now + limit.take(size, now)) as Instant;
        bytes += size;
      }
      assert.ok(
        Math.abs(now - 50 - bytes) < 1e-6 * bytes + 1e-6,
        `${now - 50} ms for ${bytes} bytes at 1 byte/ms`,
      );
    }),
  );
  assert.equal(new RateLimit(0).take(1e9, 0 as Instant), 0);
  const idle = new RateLimit(1000);
  idle.take(10, 0 as Instant);
  assert.equal(idle.take(10, 5000 as Instant), 10, 'time that nobody used is not saved up');
});

test('missed writes are bounded in number and bytes; one too many drops all, for good', () => {
  const missed = new MissedWrites<number>({ countMax: 2, bytesMax: 10 }, (bytes) => bytes);
  missed.add(4);
  missed.add(5);
  assert.equal(missed.count, 2);
  const taken = missed.take();
  assert.equal(taken, 4);
  assert.equal(missed.count, 2, 'under way is not arrived');
  missed.arrived();
  assert.equal(missed.isSettled, false);
  missed.add(6);
  assert.equal(missed.hasOverflowed, true);
  missed.add(1);
  assert.equal(missed.take(), undefined);
  assert.equal(missed.isSettled, false);
});
