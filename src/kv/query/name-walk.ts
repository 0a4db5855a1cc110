/**
 * Listings as coverage queries: the keys of a bucket, or the buckets of a type, of one partition, in byte
 * order, from behind any name on.
 */
import { Buffer } from 'node:buffer';
import type { CoverageService, PartitionWalk, WalkStep } from '../../core/coverage/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { type ByteString, byteLiteral, byteStringOf } from '../../stdx/index.ts';
import type { Cursor, StorageEngine } from '../../storage/index.ts';
import type { ExpiredNames } from '../expiry/index.ts';
import type { BucketAddress, ObjectAddress } from '../key-value-store.ts';
import { addressOf, bucketRange, bucketTypeRange } from '../vnode/index.ts';
import { CursorWalk, pieceBytesMax, type WalkPiece } from './cursor-walk.ts';

export type NameQuery =
  | ({ readonly kind: 'keys' } & BucketAddress)
  | { readonly kind: 'buckets'; readonly bucketType: ByteString };

const kindLetter = { keys: 'k', buckets: 'b' } as const;

export function encodeNameQuery(query: NameQuery): ByteString {
  const { kind, bucketType } = query;
  const bucket = kind === 'keys' ? query.bucket : '';
  const length = String.fromCharCode(bucketType.length >> 8, bucketType.length & 0xff);
  return byteLiteral(`${kindLetter[kind]}${length}${bucketType}${bucket}`);
}

/** Undefined: malformed. */
function decodeNameQuery(query: ByteString): NameQuery | undefined {
  if (query.length < 3) return undefined;
  const typeEnd = 3 + query.charCodeAt(1) * 256 + query.charCodeAt(2);
  if (typeEnd > query.length) return undefined;
  const bucketType = byteLiteral(query.slice(3, typeEnd));
  const bucket = byteLiteral(query.slice(typeEnd));
  if (query[0] === kindLetter.keys) return { kind: 'keys', bucketType, bucket };
  return query[0] === kindLetter.buckets && bucket === '' ? { kind: 'buckets', bucketType } : undefined;
}

/** Where a walk begins, and what of the partition it shows. */
export interface WalkPlace extends WalkStep {
  readonly after: ByteString | undefined;
  readonly itemsExpected: number;
}

export class NameWalks implements CoverageService {
  readonly #engine: StorageEngine;
  readonly #firstPartitionOf: (address: ObjectAddress) => Partition;
  readonly #expired: ExpiredNames | undefined;

  constructor(
    engine: StorageEngine,
    firstPartitionOf: (address: ObjectAddress) => Partition,
    expired?: ExpiredNames,
  ) {
    this.#engine = engine;
    this.#firstPartitionOf = firstPartitionOf;
    this.#expired = expired;
  }

  walk(
    encoded: ByteString,
    step: WalkStep,
    after: ByteString | undefined,
    itemsExpected: number,
  ): PartitionWalk | undefined {
    const query = decodeNameQuery(encoded);
    if (query === undefined) return undefined;
    const place = { ...step, after, itemsExpected };
    return query.kind === 'keys'
      ? new KeyWalk(this.#engine, query, place, this.#firstPartitionOf, this.#expired)
      : new BucketWalk(this.#engine, query.bucketType, place);
  }
}

class KeyWalk extends CursorWalk {
  readonly #engine: StorageEngine;
  readonly #address: BucketAddress;
  readonly #place: WalkPlace;
  readonly #firstPartitionOf: (address: ObjectAddress) => Partition;
  readonly #expired: ExpiredNames | undefined;
  /** Bytes of a storage key before the object's key. */
  #prefixBytes = 0;

  constructor(
    engine: StorageEngine,
    address: BucketAddress,
    place: WalkPlace,
    firstPartitionOf: (address: ObjectAddress) => Partition,
    expired: ExpiredNames | undefined,
  ) {
    super();
    this.#engine = engine;
    this.#address = address;
    this.#place = place;
    this.#firstPartitionOf = firstPartitionOf;
    this.#expired = expired;
  }

  protected override open(): Cursor {
    const { partition, after, itemsExpected } = this.#place;
    const { from, to } = bucketRange(partition, this.#address);
    this.#prefixBytes = from!.length;
    const options = { keysOnly: true, entriesExpected: itemsExpected };
    return this.#engine.scan({ from: placeAfter(from!, after), to: to! }, options);
  }

  protected override async pull(cursor: Cursor, itemsMax: number): Promise<WalkPiece | undefined> {
    const entries = await cursor.next({ entriesMax: itemsMax, bytesMax: pieceBytesMax });
    if (entries.length === 0) return undefined;
    const keys = entries.map((entry) => byteStringOf(entry.key, this.#prefixBytes));
    const mine = ofFirstPartitions(keys, this.#address, this.#place, this.#firstPartitionOf);
    return {
      items: this.#expired?.without(this.#place.partition, this.#address, mine) ?? mine,
      after: keys.at(-1)!,
    };
  }
}

/** The storage keys behind `after`: a zero byte more than its own is the first of them. */
export function placeAfter(prefix: Buffer, after: ByteString | undefined): Buffer {
  return after === undefined ? prefix : Buffer.concat([prefix, Buffer.from(`${after}\0`, 'latin1')]);
}

export function ofFirstPartitions(
  keys: readonly ByteString[],
  { bucketType, bucket }: BucketAddress,
  { firstPartitions }: WalkStep,
  firstPartitionOf: (address: ObjectAddress) => Partition,
): readonly ByteString[] {
  if (firstPartitions === undefined) return keys;
  return keys.filter((key) => firstPartitions.has(firstPartitionOf({ bucketType, bucket, key })));
}

/** Jumps from bucket to bucket: the cost is that of the buckets, not of their keys. */
class BucketWalk extends CursorWalk {
  readonly #engine: StorageEngine;
  readonly #bucketType: ByteString;
  readonly #place: WalkPlace;

  constructor(engine: StorageEngine, bucketType: ByteString, place: WalkPlace) {
    super();
    this.#engine = engine;
    this.#bucketType = bucketType;
    this.#place = place;
  }

  protected override open(): Cursor {
    const { partition, after } = this.#place;
    const options = { keysOnly: true, entriesExpected: 1 };
    const cursor = this.#engine.scan(bucketTypeRange(partition, this.#bucketType), options);
    if (after !== undefined) this.#skip(cursor, bucketOfItem(after));
    return cursor;
  }

  protected override async pull(cursor: Cursor, itemsMax: number): Promise<WalkPiece | undefined> {
    const items: ByteString[] = [];
    while (items.length < itemsMax) {
      const entries = await cursor.next({ entriesMax: 1, bytesMax: 1 });
      if (entries.length === 0) break;
      const { bucket } = addressOf(entries[0]!.key);
      items.push(itemOfBucket(bucket));
      this.#skip(cursor, bucket);
    }
    const last = items.at(-1);
    return last === undefined ? undefined : { items, after: last };
  }

  #skip(cursor: Cursor, bucket: ByteString): void {
    const { to } = bucketRange(this.#place.partition, { bucketType: this.#bucketType, bucket });
    if (to !== undefined) cursor.seek(to);
  }
}

const lengthBytes = 2;

/** Buckets stand in the order of their lengths in the engine, so a bucket's item begins with its length. */
function itemOfBucket(bucket: ByteString): ByteString {
  return byteLiteral(`${String.fromCharCode(bucket.length >> 8, bucket.length & 0xff)}${bucket}`);
}

export function bucketOfItem(item: ByteString): ByteString {
  return byteLiteral(item.slice(lengthBytes));
}
