import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { FittingFold } from './fitting-fold.ts';
import type { PartitionFold } from './partition-store.ts';
import { encodeTransferMessage } from './transfer-codec.ts';

const messageBytesMax = 1000;
const id = '0102030405060708';

function foldOf(slices: readonly (readonly Buffer[])[]): PartitionFold {
  const left = [...slices];
  return { unreadable: 3, next: async () => left.shift(), close: async () => {} };
}

test('every batch fits into a message, in the order of the items; what fits into none is left out and counted', async () => {
  const item = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 900, max: 1100 }));
  const slices = fc.array(fc.array(item, { minLength: 1, maxLength: 20 }), { maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(slices, async (lengths) => {
      let made = 0;
      const items = lengths.map((slice) => slice.map((length) => Buffer.alloc(length, made++)));
      const leftOut: Buffer[] = [];
      const fold = new FittingFold(foldOf(items), messageBytesMax, (each) => void leftOut.push(each));
      const given: Buffer[] = [];
      for (let batch = await fold.next(); batch !== undefined; batch = await fold.next()) {
        assert.ok(batch.length > 0);
        const number = Number.MAX_SAFE_INTEGER;
        assert.ok(
          encodeTransferMessage({ kind: 'batch', id, number, items: batch }).length <= messageBytesMax,
        );
        given.push(...batch);
      }
      const all = items.flat();
      assert.deepEqual(
        given,
        all.filter((each) => !leftOut.includes(each)),
      );
      assert.ok(leftOut.every(({ length }) => length > messageBytesMax - 40));
      assert.ok(given.every(({ length }) => length < messageBytesMax));
      assert.deepEqual([fold.tooLarge, fold.unreadable], [leftOut.length, leftOut.length + 3]);
    }),
  );
});
