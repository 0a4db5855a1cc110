import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Partition } from '../../core/ring/index.ts';
import { type ByteString, byteLiteral, byteStringOf } from '../../stdx/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import { BucketEntries, entriesNameOf, entriesNameOfType } from './bucket-entries.ts';
import {
  bucketRange,
  bucketTypeRange,
  feedFloorKey,
  identityKey,
  indexPrefix,
  nodeFactKey,
  objectsRange,
  partitionRange,
  propertiesKey,
  sectionFeed,
  sectionTombstones,
} from './key-layout.ts';
import { ObjectKey } from './object-key.ts';

const entries = new BucketEntries(8);
const third = 3 as Partition;
const field = byteLiteral('f_bin');

const names = fc.uint8Array({ minLength: 1, maxLength: 6 }).map((bytes) => byteStringOf(Buffer.from(bytes)));
const addresses: fc.Arbitrary<ObjectAddress> = fc.record({
  bucketType: fc.oneof(fc.constant(byteLiteral('default')), names),
  bucket: names,
  key: names,
});

/** Everything that is written beside an object, and it. */
function keysOf(address: ObjectAddress, partition: Partition): readonly Buffer[] {
  const key = new ObjectKey(address);
  return [
    key.copy(partition),
    key.tombstoneMark(partition),
    key.expiryEntry(partition, 1_700_000_000_000_000),
    key.feedEntry(partition, Buffer.alloc(14, 0xff)),
    key.feedPlace(partition),
    key.reapedRecord(partition),
    Buffer.concat([indexPrefix(partition, address, field), Buffer.from('term')]),
  ];
}

function isWithin(key: Buffer, { from, to }: { readonly from?: Buffer; readonly to?: Buffer }): boolean {
  return (from === undefined || key.compare(from) >= 0) && (to === undefined || key.compare(to) < 0);
}

test('B1: all that is written with an object has its bucket, stands where its bucket is looked for, and nothing else has', () => {
  fc.assert(
    fc.property(addresses, addresses, (address, other) => {
      const name = entriesNameOf(address);
      const type = entriesNameOfType(address.bucketType);
      assert.equal(entries.typeOf(name), type);
      const ranges = [...entries.rangesOf(name)];
      const rangesOfType = [...entries.rangesOf(type)];
      for (const key of keysOf(address, third)) {
        assert.equal(entries.bucketOf(key), name);
        assert.ok(isWithin(key, entries.bucketEntries));
        assert.ok(ranges.some((range) => isWithin(key, range)));
        assert.ok(rangesOfType.some((range) => isWithin(key, range)));
      }
      const isSame = other.bucketType === address.bucketType && other.bucket === address.bucket;
      for (const key of keysOf(other, third)) assert.equal(entries.bucketOf(key) === name, isSame);
    }),
  );
});

test('records of the node and of its partitions have no bucket', () => {
  const address = { bucketType: byteLiteral('t'), bucket: byteLiteral('b') };
  for (const key of [nodeFactKey('x'), identityKey(third), propertiesKey(address), feedFloorKey(third)]) {
    assert.equal(entries.bucketOf(key), undefined);
  }
  for (const hex of ['', '10', '1000030100', '100003010005', '10000301000561']) {
    assert.equal(entries.bucketOf(Buffer.from(hex, 'hex')), undefined, hex);
  }
});

test('a range of one bucket is known as such, one of several is not', () => {
  fc.assert(
    fc.property(addresses, (address) => {
      const name: ByteString = entriesNameOf(address);
      assert.equal(entries.bucketOfRange(bucketRange(third, address)), name);
      for (const section of [sectionTombstones, sectionFeed] as const) {
        assert.equal(entries.bucketOfRange(bucketRange(third, address, section)), name);
      }
      const { from, to } = bucketRange(third, address);
      const within = new ObjectKey(address).copy(third);
      assert.equal(entries.bucketOfRange({ from: within, to: to! }), name);
      assert.equal(entries.bucketOfRange({ from: from!, to: within }), name);
      assert.equal(entries.bucketOfRange({ from: within }), undefined);
      const prefix = indexPrefix(third, address, field);
      assert.equal(
        entries.bucketOfRange({ from: prefix, to: Buffer.concat([prefix, Buffer.from([9])]) }),
        name,
      );
      for (const range of [
        bucketTypeRange(third, address.bucketType),
        objectsRange(third),
        partitionRange(third),
      ]) {
        assert.equal(entries.bucketOfRange({ from: within, to: range.to! }), undefined);
        assert.equal(entries.bucketOfRange(range), undefined);
      }
    }),
  );
});
