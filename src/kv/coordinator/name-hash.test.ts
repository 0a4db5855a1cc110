import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Ring } from '../../core/ring/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import { NameHash } from './name-hash.ts';

const at = (bucketType: string, bucket: string, key: string) => ({
  bucketType: byteLiteral(bucketType),
  bucket: byteLiteral(bucket),
  key: byteLiteral(key),
});

test('the preference list of {<<"b">>, <<"f">>} on a ring of 64 starts at partition 52, as on a real node', () => {
  const ring = Ring.ownedByOne(1, 64, nodeIdOf('a@host'));
  assert.equal(ring.partitionOf(new NameHash().of(at('default', 'b', 'f'))), 52);
});

test('law: the hash is the SHA-1 of the external term, whatever was hashed before', () => {
  const names = new NameHash();
  const bytes = fc.string({ unit: 'binary-ascii', maxLength: 700 });
  const binary = (value: string) => {
    const head = Buffer.from([109, 0, 0, 0, 0]);
    head.writeUInt32BE(value.length, 1);
    return Buffer.concat([head, Buffer.from(value, 'latin1')]);
  };
  fc.assert(
    fc.property(bytes, bytes, bytes, (type, bucket, key) => {
      const pair = Buffer.from([104, 2]);
      const typed = type === 'default' ? [binary(bucket)] : [pair, binary(type), binary(bucket)];
      const term = Buffer.concat([Buffer.from([131]), pair, ...typed, binary(key)]);
      const expected = createHash('sha1').update(term).digest().readUInt32BE(0);
      assert.equal(names.of(at(type, bucket, key)), expected);
    }),
  );
});

test('hashing by bucket only ignores the key', () => {
  const names = new NameHash();
  assert.equal(names.of(at('default', 'b', 'x'), true), names.of(at('default', 'b', 'y'), true));
  assert.notEqual(names.of(at('default', 'b', 'x'), true), names.of(at('default', 'c', 'x'), true));
});

test('names may hold any bytes', () => {
  const high = '\u00ff\u0000' as ByteString;
  assert.equal(
    typeof new NameHash().of({ bucketType: byteLiteral('default'), bucket: high, key: high }),
    'number',
  );
});
