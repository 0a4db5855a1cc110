import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition } from '../../core/ring/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { cursorTextMax, decodeCursor, encodeCursor, type FeedOf } from './feed-cursor.ts';
import {
  counterOfPlace,
  feedPlace,
  feedRun,
  isFeedPlace,
  numberOfRun,
  placeAfter,
  runOfPlace,
} from './feed-place.ts';
import { feedStart } from './feed-protocol.ts';

const of: FeedOf = { bucketType: byteLiteral('default'), bucket: byteLiteral('b') };
const counters = fc.nat({ max: 2 ** 40 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const places = fc.oneof(
  fc.constant(feedStart),
  fc
    .tuple(uint32, uint32, counters)
    .map(([number, chance, counter]) => feedPlace(feedRun(number, chance), counter)),
);

test('a place holds its run and its counter, and places compare as they do', () => {
  fc.assert(
    fc.property(uint32, uint32, counters, counters, (number, chance, a, b) => {
      const run = feedRun(number, chance);
      const place = feedPlace(run, a);
      assert.ok(isFeedPlace(place));
      assert.equal(runOfPlace(place), run);
      assert.equal(numberOfRun(run), number);
      assert.equal(counterOfPlace(place), a);
      assert.equal(place < feedPlace(run, b), a < b);
      assert.equal(placeAfter(place), feedPlace(run, a + 1));
      if (number < 2 ** 32 - 1) assert.ok(place < feedPlace(feedRun(number + 1, 0), 0));
    }),
  );
});

test('a cursor reads back as it was', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(fc.nat({ max: 1023 }), places), { minLength: 1, selector: ([p]) => p }),
      (all) => {
        const map = new Map(all.map(([partition, place]) => [partition as Partition, place]));
        const text = encodeCursor(of, map);
        assert.deepEqual(decodeCursor(of, text), map);
      },
    ),
  );
});

test('the cursor of the largest ring, each partition at another node, is as long as may be', () => {
  const map = new Map(
    Array.from({ length: 1024 }, (_, p) => [p as Partition, feedPlace(feedRun(p, p), 2 ** 47)]),
  );
  const text = encodeCursor(of, map);
  assert.ok(text.length <= cursorTextMax, `${text.length}`);
  assert.equal(decodeCursor(of, text)?.size, 1024);
});

test('the cursor of another feed, and what is none, is refused', () => {
  const text = encodeCursor(of, new Map([[3 as Partition, feedPlace(feedRun(1, 2), 3)]]));
  assert.equal(decodeCursor({ ...of, bucket: byteLiteral('c') }, text), undefined);
  const only = { kind: 'key', name: byteLiteral('k') } as const;
  assert.equal(decodeCursor({ ...of, only }, text), undefined);
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (noise) => decodeCursor(of, noise) === undefined));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
      // Whatever comes, it is a cursor or none, and nothing is thrown.
      decodeCursor(of, Buffer.from(noise).toString('base64url'));
    }),
  );
  assert.equal(decodeCursor(of, 'A'.repeat(cursorTextMax + 1)), undefined);
});

test('a cursor at the last place there could be is none: nothing is behind it', () => {
  const at = (counter: number) =>
    decodeCursor(of, encodeCursor(of, new Map([[3 as Partition, feedPlace(feedRun(1, 2), counter)]])));
  assert.equal(at(2 ** 48 - 1), undefined);
  assert.equal(placeAfter(at(2 ** 48 - 2)!.get(3 as Partition)!), feedPlace(feedRun(1, 2), 2 ** 48 - 1));
});
