import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteStringOf, writeByteString } from './index.ts';

test('a byte string is written as its bytes, short or long, and nothing beside it', () => {
  const bytes = fc.uint8Array({ maxLength: 90, size: 'max' });
  const law = fc.property(bytes, fc.nat(5), (array, at) => {
    const text: ByteString = byteStringOf(array);
    const into = Buffer.alloc(array.length + 10, 0xaa);
    const expected = Buffer.from(into);
    expected.set(array, at);
    assert.equal(writeByteString(into, at, text), at + array.length);
    assert.deepEqual(into, expected);
  });
  fc.assert(law, { numRuns: 300 });
});
