/**
 * What is kept beside an object so that it is found: its index entries, a mark if it is a tombstone, and when it expires.
 * They are derived from the object alone, and changed in the batch that changes it.
 *
 * D1  After every batch a partition holds exactly the entries and marks of the objects that it holds. Whoever stores or
 *     removes an object says by what it replaces it; that has to be what is there once the batches before are written.
 * D2  An object is found under the entries of all its siblings, each once.
 * D3  A write that has nothing derived, and replaces nothing that has, adds nothing to the batch.
 *
 * D1 is lost where what was replaced is not known: a damaged copy, a batch that failed under one that was computed from
 * it. Then the partition is doubted, and its entries are compared with its objects (`kv/query/check-entries.ts`).
 */
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import type { WriteBatch } from '../../storage/index.ts';
import { indexesOfContent } from '../../wire/index.ts';
import { expiryOfObject, type VersionedObject } from '../object/index.ts';
import { placeOf } from './index-place.ts';
import { indexPrefix } from './key-layout.ts';
import type { ObjectKey } from './object-key.ts';

const noValue = Buffer.alloc(0);

/** Adds to the batch what makes the entries of `before` those of `after`; undefined is absence. */
export function changeDerived(
  batch: WriteBatch,
  partition: Partition,
  key: ObjectKey,
  before: VersionedObject | undefined,
  after: VersionedObject | undefined,
): void {
  const was = before !== undefined && hasDerived(before);
  const is = after !== undefined && hasDerived(after);
  if ((!was && !is) || before === after) return;
  if (before?.isTombstone !== after?.isTombstone) changeMark(batch, partition, key, before, after);
  changeExpiry(batch, partition, key, before, after);
  const old = was ? indexEntriesOf(before) : none;
  const now = is ? indexEntriesOf(after) : none;
  for (const [field, terms] of old) {
    for (const term of terms) {
      if (now.get(field)?.has(term) !== true) batch.delete(indexKey(partition, key, field, term));
    }
  }
  for (const [field, terms] of now) {
    for (const term of terms) {
      if (old.get(field)?.has(term) !== true) batch.put(indexKey(partition, key, field, term), noValue);
    }
  }
}

/** All that is kept beside an object: storage keys, in no order. */
export function derivedKeys(
  partition: Partition,
  key: ObjectKey,
  object: VersionedObject,
): readonly Buffer[] {
  const keys: Buffer[] = [];
  if (!hasDerived(object)) return keys;
  if (object.isTombstone) keys.push(key.tombstoneMark(partition));
  const expiry = expiryOfObject(object);
  if (expiry !== undefined) keys.push(key.expiryEntry(partition, expiry));
  for (const [field, terms] of indexEntriesOf(object)) {
    for (const term of terms) keys.push(indexKey(partition, key, field, term));
  }
  return keys;
}

type IndexEntries = ReadonlyMap<ByteString, ReadonlySet<ByteString>>;

const none: IndexEntries = new Map();

function hasDerived(object: VersionedObject): boolean {
  return !object.isUnindexed || object.isTombstone || object.mayExpire;
}

function changeMark(
  batch: WriteBatch,
  partition: Partition,
  key: ObjectKey,
  before: VersionedObject | undefined,
  after: VersionedObject | undefined,
): void {
  if (after?.isTombstone === true) batch.put(key.tombstoneMark(partition), noValue);
  else if (before?.isTombstone === true) batch.delete(key.tombstoneMark(partition));
}

function changeExpiry(
  batch: WriteBatch,
  partition: Partition,
  key: ObjectKey,
  before: VersionedObject | undefined,
  after: VersionedObject | undefined,
): void {
  const was = before === undefined ? undefined : expiryOfObject(before);
  const is = after === undefined ? undefined : expiryOfObject(after);
  if (was === is) return;
  if (was !== undefined) batch.delete(key.expiryEntry(partition, was));
  if (is !== undefined) batch.put(key.expiryEntry(partition, is), noValue);
}

/** The terms of each field, of all siblings. */
function indexEntriesOf(object: VersionedObject): IndexEntries {
  if (object.isUnindexed) return none;
  const entries = new Map<ByteString, Set<ByteString>>();
  for (const { content } of object.siblings) {
    for (const { key: field, value: term } of indexesOfContent(content)) {
      const terms = entries.get(field);
      if (terms === undefined) entries.set(field, new Set([term]));
      else terms.add(term);
    }
  }
  return entries;
}

function indexKey(partition: Partition, key: ObjectKey, field: ByteString, term: ByteString): Buffer {
  const { address } = key;
  const prefix = indexPrefix(partition, address, field);
  return Buffer.concat([prefix, Buffer.from(placeOf(field, term, address.key), 'latin1')]);
}
