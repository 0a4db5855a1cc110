/**
 * Listings as coverage queries: the keys of a bucket, or the buckets of a type, of one partition, in byte
 * order, from behind any name on.
 */
import { Buffer } from 'node:buffer';
import {
  type CoverageService,
  type PartitionWalk,
  WalkError,
  type WalkStep,
} from '../core/coverage/index.ts';
import type { Partition } from '../core/ring/index.ts';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import { type Cursor, type StorageEngine, StorageError } from '../storage/index.ts';
import type { BucketAddress, ObjectAddress } from './key-value-store.ts';
import { addressOf, bucketRange, bucketTypeRange, ObjectKey } from './vnode/index.ts';

export type NameQuery =
  | ({ readonly kind: 'keys' } & BucketAddress)
  | { readonly kind: 'buckets'; readonly bucketType: ByteString };

const kindLetter = { keys: 'k', buckets: 'b' } as const;
const keySlice = { entriesMax: 500, bytesMax: 256 * 1024 };
const bucketsPerSlice = 100;

export function encodeNameQuery(query: NameQuery): ByteString {
  const { kind, bucketType } = query;
  const bucket = kind === 'keys' ? query.bucket : '';
  const length = String.fromCharCode(bucketType.length >> 8, bucketType.length & 0xff);
  return byteLiteral(`${kindLetter[kind]}${length}${bucketType}${bucket}`);
}

/** Undefined: malformed. */
export function decodeNameQuery(query: ByteString): NameQuery | undefined {
  if (query.length < 3) return undefined;
  const typeEnd = 3 + query.charCodeAt(1) * 256 + query.charCodeAt(2);
  if (typeEnd > query.length) return undefined;
  const bucketType = byteLiteral(query.slice(3, typeEnd));
  const bucket = byteLiteral(query.slice(typeEnd));
  if (query[0] === kindLetter.keys) return { kind: 'keys', bucketType, bucket };
  return query[0] === kindLetter.buckets && bucket === '' ? { kind: 'buckets', bucketType } : undefined;
}

export class NameWalks implements CoverageService {
  readonly #engine: StorageEngine;
  readonly #firstPartitionOf: (address: ObjectAddress) => Partition;

  constructor(engine: StorageEngine, firstPartitionOf: (address: ObjectAddress) => Partition) {
    this.#engine = engine;
    this.#firstPartitionOf = firstPartitionOf;
  }

  walk(encoded: ByteString, step: WalkStep): PartitionWalk | undefined {
    const query = decodeNameQuery(encoded);
    if (query === undefined) return undefined;
    return query.kind === 'keys'
      ? new KeyWalk(this.#engine, query, step, this.#firstPartitionOf)
      : new BucketWalk(this.#engine, query.bucketType, step);
  }
}

/** Opens its cursor at the first slice, and says of storage errors that another replica may do better. */
abstract class CursorWalk implements PartitionWalk {
  #cursor: Cursor | undefined;

  async next(): Promise<{ readonly items: readonly ByteString[]; readonly after: ByteString } | undefined> {
    try {
      this.#cursor ??= this.open();
      return await this.pull(this.#cursor);
    } catch (error) {
      throw error instanceof StorageError ? new WalkError(error.message) : error;
    }
  }

  async close(): Promise<void> {
    await this.#cursor?.close();
  }

  protected abstract open(): Cursor;
  protected abstract pull(
    cursor: Cursor,
  ): Promise<{ readonly items: readonly ByteString[]; readonly after: ByteString } | undefined>;
}

class KeyWalk extends CursorWalk {
  readonly #engine: StorageEngine;
  readonly #address: BucketAddress;
  readonly #step: WalkStep;
  readonly #firstPartitionOf: (address: ObjectAddress) => Partition;

  constructor(
    engine: StorageEngine,
    address: BucketAddress,
    step: WalkStep,
    firstPartitionOf: (address: ObjectAddress) => Partition,
  ) {
    super();
    this.#engine = engine;
    this.#address = address;
    this.#step = step;
    this.#firstPartitionOf = firstPartitionOf;
  }

  protected override open(): Cursor {
    const { partition, after } = this.#step;
    const cursor = this.#engine.scan(bucketRange(partition, this.#address), { keysOnly: true });
    if (after !== undefined) {
      const last = new ObjectKey({ ...this.#address, key: after }).copy(partition);
      // The first key behind: a zero byte longer.
      cursor.seek(Buffer.concat([last, Buffer.alloc(1)]));
    }
    return cursor;
  }

  protected override async pull(cursor: Cursor) {
    const entries = await cursor.next(keySlice);
    const last = entries.at(-1);
    if (last === undefined) return undefined;
    const mine = this.#step.firstPartitions;
    const addresses = entries.map((entry) => addressOf(entry.key));
    const reported =
      mine === undefined ? addresses : addresses.filter((found) => mine.has(this.#firstPartitionOf(found)));
    return { items: reported.map((found) => found.key), after: addressOf(last.key).key };
  }
}

/** Jumps from bucket to bucket: the cost is that of the buckets, not of their keys. */
class BucketWalk extends CursorWalk {
  readonly #engine: StorageEngine;
  readonly #bucketType: ByteString;
  readonly #step: WalkStep;

  constructor(engine: StorageEngine, bucketType: ByteString, step: WalkStep) {
    super();
    this.#engine = engine;
    this.#bucketType = bucketType;
    this.#step = step;
  }

  protected override open(): Cursor {
    const { partition, after } = this.#step;
    const cursor = this.#engine.scan(bucketTypeRange(partition, this.#bucketType), { keysOnly: true });
    if (after !== undefined) this.#skip(cursor, after);
    return cursor;
  }

  protected override async pull(cursor: Cursor) {
    const buckets: ByteString[] = [];
    while (buckets.length < bucketsPerSlice) {
      const entries = await cursor.next({ entriesMax: 1, bytesMax: 1 });
      if (entries.length === 0) break;
      const { bucket } = addressOf(entries[0]!.key);
      buckets.push(bucket);
      this.#skip(cursor, bucket);
    }
    const last = buckets.at(-1);
    return last === undefined ? undefined : { items: buckets, after: last };
  }

  #skip(cursor: Cursor, bucket: ByteString): void {
    const { to } = bucketRange(this.#step.partition, { bucketType: this.#bucketType, bucket });
    if (to !== undefined) cursor.seek(to);
  }
}
