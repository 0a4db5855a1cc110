import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { paddedBytes, Sha1 } from './sha1.ts';

function firstWord(sha1: Sha1, message: Uint8Array): number {
  const bytes = Buffer.alloc(paddedBytes(message.length), 0xee);
  bytes.set(message);
  return sha1.firstWord(bytes, message.length);
}

function reference(message: Uint8Array): number {
  return createHash('sha1').update(message).digest().readUInt32BE(0);
}

test('law: the first word of the digest is that of the native hash', () => {
  const sha1 = new Sha1();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (message) => {
      assert.equal(firstWord(sha1, message), reference(message));
    }),
    { numRuns: 2000 },
  );
});

test('every length around a block, and a name of the greatest length', () => {
  const sha1 = new Sha1();
  for (const length of [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 128, 3 * 65_535]) {
    const message = Buffer.alloc(length, 0xa5);
    assert.equal(firstWord(sha1, message), reference(message), `${length} bytes`);
  }
});
