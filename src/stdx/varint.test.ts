import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readVarint, varintSize, writeVarint } from './varint.ts';

const edges = Array.from({ length: 54 }, (_, bits) => 2 ** bits).flatMap((n) => [n - 1, n, n + 1]);
const numbers = fc.oneof(
  fc.constantFrom(...edges.filter((n) => n <= Number.MAX_SAFE_INTEGER)),
  fc.maxSafeNat(),
);

test('a varint reads back, in the size announced', () => {
  fc.assert(
    fc.property(numbers, fc.nat({ max: 3 }), (value, offset) => {
      const bytes = new Uint8Array(16);
      const end = writeVarint(bytes, offset, value);
      assert.equal(end - offset, varintSize(value));
      assert.equal(readVarint(bytes, offset, end), value);
      assert.equal(readVarint(bytes, offset, end - 1), -1, 'cut short');
    }),
    { numRuns: 2000 },
  );
});

test('whatever is read is the shortest form of what it says', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 10 }), (bytes) => {
      const value = readVarint(bytes, 0, bytes.length);
      if (value === -1) return;
      const again = new Uint8Array(16);
      const end = writeVarint(again, 0, value);
      assert.deepEqual(again.subarray(0, end), bytes.subarray(0, end));
    }),
    { numRuns: 2000 },
  );
});
