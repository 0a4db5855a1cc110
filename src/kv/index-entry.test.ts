import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import { decodeContent, encodeContent } from '../wire/index.ts';
import { canonicalIndexEntry, indexDigitsMax, withCanonicalIndexes } from './index-entry.ts';

const entry = (name: string, term: string) => canonicalIndexEntry(name as ByteString, term as ByteString);
const content = (indexes: readonly [string, string][]) =>
  encodeContent({
    value: Buffer.from('v'),
    contentType: byteLiteral('text/plain'),
    links: [],
    userMeta: [{ key: byteLiteral('k'), value: byteLiteral('m') }],
    indexes: indexes.map(([key, value]) => ({ key: byteLiteral(key), value: byteLiteral(value) })),
    deleted: false,
  });

test('names are lower-cased and must have a type; `$key` and `$bucket` cannot be set', () => {
  assert.deepEqual(entry('Name_Bin', 'X'), { key: 'name_bin', value: 'X' });
  for (const name of ['name', 'name_str', '$key', '$bucket_bin', '_', '']) {
    assert.equal((entry(name, '1') as { reason?: string }).reason, 'unknown_type', name);
  }
});

test('law: an integer term has one form; anything else is refused', () => {
  fc.assert(
    fc.property(fc.bigInt(), fc.nat(5), fc.boolean(), (integer, zeros, plus) => {
      const digits = `${'0'.repeat(zeros)}${integer < 0n ? -integer : integer}`;
      const sign = integer < 0n ? '-' : plus ? '+' : '';
      assert.deepEqual(entry('n_int', ` ${sign}${digits}`), { key: 'n_int', value: `${integer}` });
    }),
  );
  for (const term of ['', '-', '1.5', '1e3', '0x1', 'one', '１', '9'.repeat(indexDigitsMax + 1)]) {
    assert.equal((entry('n_int', term) as { reason?: string }).reason, 'not_integer', term);
  }
});

test('a content without entries is itself; one with entries keeps all else', () => {
  const plain = content([]);
  assert.equal(withCanonicalIndexes(plain), plain);
  const written = withCanonicalIndexes(
    content([
      ['Age_INT', '+042'],
      ['tag_bin', 'a'],
    ]),
  );
  assert.ok(Buffer.isBuffer(written));
  assert.deepEqual(
    decodeContent(written),
    decodeContent(
      content([
        ['age_int', '42'],
        ['tag_bin', 'a'],
      ]),
    ),
  );
  assert.deepEqual(withCanonicalIndexes(content([['bad', 'a']])), { reason: 'unknown_type', field: 'bad' });
});
