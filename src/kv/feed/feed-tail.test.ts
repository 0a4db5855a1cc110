import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition } from '../../core/ring/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { FeedTail, type TailEntry } from './feed-tail.ts';

test('L1: what it gives is all that there was, against a list of everything', () => {
  const steps = fc.array(
    fc.record({ bucket: fc.constantFrom('a', 'b'), partition: fc.nat({ max: 2 }), gap: fc.nat({ max: 2 }) }),
  );
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 10 }), fc.nat({ max: 60 }), (added, entriesMax, counter) => {
      const tail = new FeedTail(entriesMax);
      const all: TailEntry[] = [];
      let last = 0;
      for (const { bucket, partition, gap } of added) {
        last += 1 + gap;
        const entry: TailEntry = {
          bucket: byteLiteral(bucket),
          partition: partition as Partition,
          counter: last,
          key: byteLiteral(`${last}`),
          micros: 0,
          digest: byteLiteral(''),
        };
        all.push(entry);
        tail.add(entry);
      }
      const partition = 1 as Partition;
      const expected = all.filter(
        (one) => one.bucket === 'a' && one.partition === 1 && one.counter > counter,
      );
      const found = tail.after(byteLiteral('a'), partition, counter);
      if (found === undefined) assert.ok(all.length > entriesMax, 'it has room for all of them');
      else assert.deepEqual(found, expected);
      if (all.length > 0) assert.deepEqual(tail.after(byteLiteral('a'), partition, last), []);
    }),
  );
});
