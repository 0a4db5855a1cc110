/**
 * Where things stand in a node's one storage engine. Layout version 1; the first byte of a key says
 * what it is, and everything of one partition lies together:
 *
 *     01 name                                            facts about the node
 *     02 partition(2)                                    a vnode's identity
 *     03 type\0 bucket                                   a bucket's own properties
 *     10 partition(2) 01 len(2) type len(2) bucket key   an object
 *     10 partition(2) 02 len(2) type len(2) bucket len(2) field place
 *                                                        an index entry (`index-place.ts`); no value
 *     10 partition(2) 03 len(2) type len(2) bucket key   an object that is a tombstone; no value
 *     10 partition(2) 04 expiry(8) len(2) type len(2) bucket key
 *                                                        an object that is nothing any more from then on; no value
 *     10 partition(2) 05 len(2) type len(2) bucket place(14) key
 *                                                        an entry of a change feed (`kv/feed`)
 *     10 partition(2) 06 len(2) type len(2) bucket key   where a key's one entry is
 *     10 partition(2) 07                                 what the partition's feeds have from
 *     10 partition(2) 08 len(2) type len(2) bucket key   the tombstone that was reaped of a key, lately
 *
 * Numbers are big-endian. The type `default` is stored as the empty string, which no type has as its
 * name. So: dropping a partition is one range; a bucket's keys are one range, in key order; the buckets
 * of a type are found by jumping from one to the next.
 */
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import { assert, type ByteString, byteLiteral, byteStringOf, writeByteString } from '../../stdx/index.ts';
import type { KeyRange } from '../../storage/index.ts';
import type { BucketAddress, ObjectAddress } from '../key-value-store.ts';

export type { ObjectKey } from './object-key.ts';

export const layoutVersion = 1;
/** Two length bytes hold a type's and a bucket's length; keys keep the same bound. */
export const nameBytesMax = 65_535;

const spaceNode = 0x01;
const spaceIdentity = 0x02;
const spaceProperties = 0x03;
/** What a node keeps of itself, and reads at its start. */
export const nodeRange: KeyRange = { from: Buffer.from([spaceNode]), to: Buffer.from([spaceProperties + 1]) };
export const spacePartition = 0x10;
export const sectionObjects = 0x01;
export const sectionIndex = 0x02;
export const sectionTombstones = 0x03;
export const sectionExpiries = 0x04;
export const sectionFeed = 0x05;
export const sectionFeedPlaces = 0x06;
export const sectionFeedFloor = 0x07;
export const sectionReaped = 0x08;
/** Of the two bytes that say the partition. */
export const partitionAt = 1;
/** Of the byte that says the section. */
export const sectionAt = 3;
/** Space, partition and section. */
export const prefixBytes = 4;

const defaultType = byteLiteral('default');

export function storedType(bucketType: ByteString): ByteString {
  return bucketType === defaultType ? byteLiteral('') : bucketType;
}

export function writeBucket(bytes: Buffer, type: ByteString, bucket: ByteString): number {
  assert(type.length <= nameBytesMax && bucket.length <= nameBytesMax, 'names are checked at the door');
  const at = writeName(bytes, prefixBytes, type);
  return writeName(bytes, at, bucket);
}

/** By hand: every request makes a key, and `writeUInt16BE` checks what is known. */
function writeName(bytes: Buffer, at: number, name: ByteString): number {
  bytes[at] = name.length >> 8;
  bytes[at + 1] = name.length;
  return writeByteString(bytes, at + 2, name);
}

/** What all partitions store. */
export const partitionsRange: Required<KeyRange> = {
  from: Buffer.from([spacePartition]),
  to: Buffer.from([spacePartition + 1]),
};

/** All that a partition stores. */
export function partitionRange(partition: Partition): Required<KeyRange> {
  const from = Buffer.from([spacePartition, partition >> 8, partition & 0xff]);
  return { from, to: successor(from) };
}

/** The objects of a partition, without what is kept beside them. */
export function objectsRange(partition: Partition): KeyRange {
  const from = Buffer.from([spacePartition, partition >> 8, partition & 0xff, sectionObjects]);
  return { from, to: successor(from) };
}

/** Of the entries of an engine: objects are read by their keys, the rest is walked or small. */
export function isObjectEntry(key: Buffer): boolean {
  return key[0] === spacePartition && key[sectionAt] === sectionObjects;
}

/** What is kept beside the objects of a partition: index entries, the marks of tombstones, and expiries. */
export function derivedRange(partition: Partition): KeyRange {
  const from = Buffer.from([spacePartition, partition >> 8, partition & 0xff, sectionIndex]);
  const last = Buffer.from([spacePartition, partition >> 8, partition & 0xff, sectionExpiries]);
  return { from, to: successor(last) };
}

/** The tombstones that were reaped of a partition, and are remembered. */
export function reapedRange(partition: Partition): Required<KeyRange> {
  const from = Buffer.from([spacePartition, partition >> 8, partition & 0xff, sectionReaped]);
  return { from, to: successor(from) };
}

/** The marks of all tombstones of a partition. */
export function tombstonesRange(partition: Partition): KeyRange {
  const from = Buffer.from([spacePartition, partition >> 8, partition & 0xff, sectionTombstones]);
  return { from, to: successor(from) };
}

export const expiryBytes = 8;

/** The expiries of a partition, the earliest first: before `untilMicros`, if that is given. */
export function expiryRange(partition: Partition, untilMicros?: number): KeyRange {
  const from = Buffer.from([spacePartition, partition >> 8, partition & 0xff, sectionExpiries]);
  if (untilMicros === undefined) return { from, to: successor(from) };
  return { from, to: expiryPrefix(partition, Math.max(0, untilMicros)) };
}

/** How the entry of every object begins that expires at this instant. */
export function expiryPrefix(partition: Partition, micros: number): Buffer {
  const bytes = Buffer.allocUnsafe(prefixBytes + expiryBytes);
  bytes.set([spacePartition, partition >> 8, partition & 0xff, sectionExpiries]);
  bytes.writeBigUInt64BE(BigInt(micros), prefixBytes);
  return bytes;
}

/** When the object of an entry expires, and where its name begins. */
export function readExpiry(entry: Buffer): { readonly micros: number; readonly nameStart: number } {
  assert(entry[0] === spacePartition && entry[3] === sectionExpiries, 'an expiry');
  return {
    micros: Number(entry.readBigUInt64BE(prefixBytes)),
    nameStart: prefixBytes + expiryBytes,
  };
}

/** A bucket's objects in one partition, in key order; or the marks of its tombstones; or its change feed. */
export function bucketRange(
  partition: Partition,
  { bucketType, bucket }: BucketAddress,
  section: typeof sectionObjects | typeof sectionTombstones | typeof sectionFeed = sectionObjects,
): KeyRange {
  const type = storedType(bucketType);
  const from = Buffer.allocUnsafe(prefixBytes + 4 + type.length + bucket.length);
  from[0] = spacePartition;
  from.writeUInt16BE(partition, 1);
  from[3] = section;
  writeBucket(from, type, bucket);
  return { from, to: successor(from) };
}

/** All entries of the feeds of a partition. */
export function feedRange(partition: Partition): KeyRange {
  const from = Buffer.from([spacePartition, partition >> 8, partition & 0xff, sectionFeed]);
  return { from, to: successor(from) };
}

/** Where it is said what the feeds of a partition have from. */
export function feedFloorKey(partition: Partition): Buffer {
  return Buffer.from([spacePartition, partition >> 8, partition & 0xff, sectionFeedFloor]);
}

/** The beginning of all entries of one index of a bucket in one partition. */
export function indexPrefix(
  partition: Partition,
  { bucketType, bucket }: BucketAddress,
  field: ByteString,
): Buffer {
  assert(field.length <= nameBytesMax, 'names of indexes are checked at the door');
  const type = storedType(bucketType);
  const prefix = Buffer.allocUnsafe(prefixBytes + 6 + type.length + bucket.length + field.length);
  prefix[0] = spacePartition;
  prefix.writeUInt16BE(partition, 1);
  prefix[3] = sectionIndex;
  const at = prefix.writeUInt16BE(field.length, writeBucket(prefix, type, bucket));
  prefix.write(field, at, 'latin1');
  return prefix;
}

/** An index entry's parts; undefined if this is none, or damaged. */
export function indexKeyOf(
  storageKey: Buffer,
): (BucketAddress & { readonly field: ByteString; readonly place: ByteString }) | undefined {
  if (storageKey[0] !== spacePartition || storageKey[3] !== sectionIndex) return undefined;
  const end = storageKey.length;
  const typeStart = prefixBytes + 2;
  if (typeStart > end) return undefined;
  const typeEnd = typeStart + storageKey.readUInt16BE(prefixBytes);
  if (typeEnd + 2 > end) return undefined;
  const bucketEnd = typeEnd + 2 + storageKey.readUInt16BE(typeEnd);
  if (bucketEnd + 2 > end) return undefined;
  const fieldEnd = bucketEnd + 2 + storageKey.readUInt16BE(bucketEnd);
  if (fieldEnd > end) return undefined;
  const type = byteStringOf(storageKey, typeStart, typeEnd);
  return {
    bucketType: type === '' ? defaultType : type,
    bucket: byteStringOf(storageKey, typeEnd + 2, bucketEnd),
    field: byteStringOf(storageKey, bucketEnd + 2, fieldEnd),
    place: byteStringOf(storageKey, fieldEnd),
  };
}

/** A bucket type's objects in one partition. */
export function bucketTypeRange(partition: Partition, bucketType: ByteString): KeyRange {
  const type = storedType(bucketType);
  const from = Buffer.allocUnsafe(prefixBytes + 2 + type.length);
  from[0] = spacePartition;
  from.writeUInt16BE(partition, 1);
  from[3] = sectionObjects;
  from.writeUInt16BE(type.length, prefixBytes);
  from.write(type, prefixBytes + 2, 'latin1');
  return { from, to: successor(from) };
}

/** Reads an object's address back from its storage key. */
export function addressOf(storageKey: Buffer): ObjectAddress {
  assert(storageKey[0] === spacePartition && storageKey[3] === sectionObjects, 'an object key');
  const typeStart = prefixBytes + 2;
  const typeEnd = typeStart + storageKey.readUInt16BE(prefixBytes);
  const bucketStart = typeEnd + 2;
  const bucketEnd = bucketStart + storageKey.readUInt16BE(typeEnd);
  assert(bucketEnd <= storageKey.length, 'an object key is as long as it says');
  const type = byteStringOf(storageKey, typeStart, typeEnd);
  return {
    bucketType: type === '' ? defaultType : type,
    bucket: byteStringOf(storageKey, bucketStart, bucketEnd),
    key: byteStringOf(storageKey, bucketEnd),
  };
}

export function nodeFactKey(name: string): Buffer {
  return Buffer.concat([Buffer.from([spaceNode]), Buffer.from(name, 'utf8')]);
}

export function identityKey(partition: Partition): Buffer {
  return Buffer.from([spaceIdentity, partition >> 8, partition & 0xff]);
}

/**
 * The identities of all vnodes. An older one than was committed is worse than none: it would issue the
 * epochs of the newer again. A vnode without one takes a new id.
 */
export const identityRange: KeyRange = {
  from: Buffer.from([spaceIdentity]),
  to: Buffer.from([spaceIdentity + 1]),
};

/** `typeAndBucket`: the type, a zero byte, the bucket. */
export function propertiesStorageKey(typeAndBucket: ByteString): Buffer {
  return Buffer.from(`${String.fromCharCode(spaceProperties)}${typeAndBucket}`, 'latin1');
}

/** Types hold no zero byte, so that the separator is unambiguous. */
export function propertiesKey({ bucketType, bucket }: BucketAddress): Buffer {
  return propertiesStorageKey(`${bucketType}\0${bucket}` as ByteString);
}

export const propertiesRange: KeyRange = {
  from: Buffer.from([spaceProperties]),
  to: Buffer.from([spaceProperties + 1]),
};

/** The first key that is greater than every key with this prefix. */
export function successor(prefix: Buffer): Buffer {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end -= 1;
  assert(end > 0, 'spaces are below 0xff');
  const next = Buffer.from(prefix.subarray(0, end));
  next[end - 1] += 1;
  return next;
}
