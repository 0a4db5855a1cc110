import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { BlockBuilder, lowerBoundInBlock, searchBlock } from './index-block.ts';

/** Few letters, so that keys share beginnings, are each other's beginnings, and meet. */
const key = fc
  .array(fc.constantFrom(0, 1, 0x7f, 0xff), { maxLength: 6 })
  .map((bytes) => Buffer.from([0x6b, 0x6b, ...bytes]));
const anyKey = fc.oneof(
  key,
  fc.array(fc.constantFrom(0, 0x6b, 0xff), { maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
);

test('law: a search in a block finds what a walk over its keys finds', () => {
  fc.assert(
    fc.property(fc.array(key, { minLength: 1, maxLength: 40 }), anyKey, (some, wanted) => {
      const keys = [...new Map(some.map((each) => [each.toString('hex'), each])).values()].sort((a, b) =>
        a.compare(b),
      );
      const builder = new BlockBuilder();
      for (const each of keys) builder.add(each, each.length, 1, 1, 2, 3);
      const block = builder.encode(0);
      const above = keys.findIndex((each) => each.compare(wanted) >= 0);
      const bound = above < 0 ? keys.length : above;
      assert.equal(lowerBoundInBlock(block, wanted), bound);
      const isThere = bound < keys.length && keys[bound]!.equals(wanted);
      assert.equal(searchBlock(block, wanted), isThere ? bound : ~bound);
    }),
    { numRuns: 3000 },
  );
});
