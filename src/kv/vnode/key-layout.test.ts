import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition } from '../../core/ring/index.ts';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import type { KeyRange } from '../../storage/index.ts';
import { addressOf, bucketRange, bucketTypeRange, partitionRange } from './key-layout.ts';
import { ObjectKey } from './object-key.ts';

const name = fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 12 }) as fc.Arbitrary<ByteString>;
const bytes = fc
  .uint8Array({ minLength: 1, maxLength: 6 })
  .map((array) => Buffer.from(array).toString('latin1'));
const anyName = fc.oneof(name, bytes as fc.Arbitrary<ByteString>, fc.constant(byteLiteral('default')));
const address = fc.record({ bucketType: anyName, bucket: anyName, key: anyName });
const partition = fc.nat(1023) as fc.Arbitrary<Partition>;

function isIn({ from, to }: KeyRange, key: Buffer): boolean {
  return (from === undefined || key.compare(from) >= 0) && (to === undefined || key.compare(to) < 0);
}

test('law: an address is read back from its key', () => {
  fc.assert(
    fc.property(address, partition, (each, at) => {
      assert.deepEqual(addressOf(new ObjectKey(each).copy(at)), { ...each });
    }),
  );
});

test('law: a range holds just the keys of its partition, type and bucket', () => {
  fc.assert(
    fc.property(address, address, partition, partition, (a, b, p, q) => {
      const key = new ObjectKey(b).copy(q);
      const sameType = p === q && a.bucketType === b.bucketType;
      assert.equal(isIn(partitionRange(p), key), p === q);
      assert.equal(isIn(bucketTypeRange(p, a.bucketType), key), sameType);
      assert.equal(isIn(bucketRange(p, a), key), sameType && a.bucket === b.bucket);
    }),
  );
});

test('law: within a bucket, keys stand in byte order', () => {
  fc.assert(
    fc.property(address, anyName, partition, (a, key, p) => {
      const left = new ObjectKey(a).copy(p);
      const right = new ObjectKey({ ...a, key }).copy(p);
      assert.equal(Math.sign(left.compare(right)), a.key < key ? -1 : a.key > key ? 1 : 0);
    }),
  );
});

type Step = { readonly how: 'borrow' | 'keep' | 'copy' | 'tombstoneMark'; readonly of: Partition };

test('law: a key that somebody keeps does not change, whatever is borrowed, kept or copied afterwards', () => {
  const step = fc.record({ how: fc.constantFrom('borrow', 'keep', 'copy', 'tombstoneMark'), of: partition });
  fc.assert(
    fc.property(address, fc.array(step as fc.Arbitrary<Step>), (name, steps) => {
      const key = new ObjectKey(name);
      const kept: [Buffer, Buffer][] = [];
      for (const { how, of } of steps) {
        const bytes = key[how](of);
        if (how !== 'tombstoneMark') assert.deepEqual(bytes, new ObjectKey(name).copy(of));
        if (how !== 'borrow') kept.push([bytes, Buffer.from(bytes)]);
      }
      for (const [bytes, then] of kept) assert.deepEqual(bytes, then);
    }),
  );
});

test('a borrowed key is overwritten by the next, a copy is not', () => {
  const key = new ObjectKey({
    bucketType: byteLiteral('t'),
    bucket: byteLiteral('b'),
    key: byteLiteral('k'),
  });
  const copy = key.copy(1 as Partition);
  const borrowed = key.borrow(1 as Partition);
  assert.ok(borrowed.equals(copy));
  key.borrow(2 as Partition);
  assert.ok(!borrowed.equals(copy));
});
