import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { unseal, ValueSealer } from './sealed-value.ts';

const length = fc.oneof(
  fc.nat(40),
  fc.integer({ min: 4085, max: 4100 }),
  fc.constantFrom(65_530, 65_536, 70_000),
);

test('a sealed value is its bytes and a checksum, whatever was sealed before', () => {
  const law = fc.property(fc.array(length, { minLength: 1, maxLength: 12 }), (lengths) => {
    const sealer = new ValueSealer();
    lengths.forEach((each, n) => {
      const key = Buffer.from(`key ${n}`);
      const value = Buffer.alloc(each, n + 1);
      const sealed = sealer.seal(key, value);
      assert.equal(sealed.length, each + 4);
      assert.deepEqual(unseal(key, sealed), value);
      assert.equal(unseal(Buffer.from('another key'), sealed), undefined);
    });
  });
  fc.assert(law, { numRuns: 100 });
});
