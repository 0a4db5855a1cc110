import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import { entryAt, placeOf, termPlace } from './index-place.ts';

const bytes = fc
  .uint8Array({ maxLength: 6 })
  .map((array) => Buffer.from(array.map((byte) => (byte > 200 ? 0 : byte))).toString('latin1') as ByteString);
const integers = fc.oneof(
  fc.bigInt({ min: -20n, max: 20n }),
  fc.bigInt(),
  fc.bigInt({ min: -(10n ** 999n), max: 10n ** 999n }),
);
const bin = byteLiteral('a_bin');
const int = byteLiteral('a_int');

function order(a: bigint | string, b: bigint | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

test('law: an entry is read back from its place', () => {
  fc.assert(
    fc.property(bytes, integers, bytes, (term, integer, key) => {
      assert.deepEqual(entryAt(bin, placeOf(bin, term, key)), { term, key });
      const text = byteLiteral(`${integer}`);
      assert.deepEqual(entryAt(int, placeOf(int, text, key)), { term: text, key });
    }),
  );
});

test('law: places in byte order are binary terms bytewise, and keys of one term bytewise', () => {
  fc.assert(
    fc.property(bytes, bytes, bytes, bytes, (term, key, otherTerm, otherKey) => {
      const expected = order(term, otherTerm) || order(key, otherKey);
      assert.equal(order(placeOf(bin, term, key), placeOf(bin, otherTerm, otherKey)), expected);
    }),
  );
});

test('law: places in byte order are integers by value, of any size and sign', () => {
  fc.assert(
    fc.property(integers, bytes, integers, bytes, (a, key, b, otherKey) => {
      const left = placeOf(int, byteLiteral(`${a}`), key);
      const right = placeOf(int, byteLiteral(`${b}`), otherKey);
      assert.equal(order(left, right), order(a, b) || order(key, otherKey));
    }),
  );
});

test('law: no term is the beginning of another', () => {
  fc.assert(
    fc.property(bytes, bytes, integers, integers, (a, b, i, j) => {
      if (a !== b) assert.ok(!termPlace(bin, b).startsWith(termPlace(bin, a)));
      const [left, right] = [termPlace(int, byteLiteral(`${i}`)), termPlace(int, byteLiteral(`${j}`))];
      if (i !== j) assert.ok(!right.startsWith(left));
    }),
  );
});

test('what is no place is told, and never throws', () => {
  for (const place of ['', '\0', 'abc', 'a\0b\0\0', '\u0001', '\u0002\0\u0002x1', '\u0003\0\u00011']) {
    const found = [entryAt(bin, byteLiteral(place)), entryAt(int, byteLiteral(place))];
    assert.deepEqual(found, [undefined, undefined], JSON.stringify(place));
  }
});
