/**
 * Which bucket each entry of the engine is of, for an engine that keeps buckets apart. A bucket's name here is its bytes
 * in a storage key: the lengths of type and bucket, and both.
 */
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import { type ByteString, bufferOf, byteStringOf } from '../../stdx/index.ts';
import type { KeyPlaces, KeyRange } from '../../storage/index.ts';
import type { BucketAddress } from '../key-value-store.ts';
import {
  expiryBytes,
  expiryRange,
  nodeFactKey,
  prefixBytes,
  sectionExpiries,
  sectionFeed,
  sectionFeedPlaces,
  sectionIndex,
  sectionObjects,
  sectionReaped,
  sectionTombstones,
  spacePartition,
  storedType,
  successor,
} from './key-layout.ts';

const lengthBytes = 2;
/** Their keys begin with the bucket. */
const sectionsByBucket = [
  sectionObjects,
  sectionIndex,
  sectionTombstones,
  sectionFeed,
  sectionFeedPlaces,
  sectionReaped,
] as const;

export class BucketEntries implements KeyPlaces {
  readonly bucketEntries = {
    from: Buffer.from([spacePartition]),
    to: Buffer.from([spacePartition + 1]),
  };
  readonly #ringSize: number;

  constructor(ringSize: number) {
    this.#ringSize = ringSize;
  }

  bucketOf(key: Buffer): ByteString | undefined {
    if (key[0] !== spacePartition || key.length <= prefixBytes) return undefined;
    const start = key[3] === sectionExpiries ? prefixBytes + expiryBytes : prefixBytes;
    const end = bucketEnd(key, start);
    return end === undefined ? undefined : byteStringOf(key, start, end);
  }

  bucketOfRange({ from, to }: KeyRange): ByteString | undefined {
    if (from === undefined || to === undefined || from[3] === sectionExpiries) return undefined;
    const bucket = this.bucketOf(from);
    if (bucket === undefined) return undefined;
    const prefix = from.subarray(0, prefixBytes + bucket.length);
    return to.compare(successor(prefix)) <= 0 ? bucket : undefined;
  }

  typeOf(bucket: ByteString): ByteString {
    const typeBytes = bucket.charCodeAt(0) * 256 + bucket.charCodeAt(1);
    return bucket.slice(0, lengthBytes + typeBytes) as ByteString;
  }

  *rangesOf(name: ByteString): Iterable<KeyRange> {
    for (let number = 0; number < this.#ringSize; number++) {
      const partition = number as Partition;
      for (const section of sectionsByBucket) {
        const place = Buffer.from([spacePartition, partition >> 8, partition & 0xff, section]);
        const from = Buffer.concat([place, bufferOf(name)]);
        yield { from, to: successor(from) };
      }
      yield expiryRange(partition);
    }
  }

  recordKey(name: string): Buffer {
    return nodeFactKey(name);
  }
}

/** As `BucketEntries` names it. */
export function entriesNameOf({ bucketType, bucket }: BucketAddress): ByteString {
  return (entriesNameOfType(bucketType) + lengthOf(bucket) + bucket) as ByteString;
}

/** Of all buckets of a type. */
export function entriesNameOfType(bucketType: ByteString): ByteString {
  const type = storedType(bucketType);
  return (lengthOf(type) + type) as ByteString;
}

function lengthOf(name: ByteString): string {
  return String.fromCharCode(name.length >> 8, name.length & 0xff);
}

/** Undefined: the key is too short to have a bucket. */
function bucketEnd(key: Buffer, start: number): number | undefined {
  if (start + lengthBytes > key.length) return undefined;
  const typeEnd = start + lengthBytes + key.readUInt16BE(start);
  if (typeEnd + lengthBytes > key.length) return undefined;
  const end = typeEnd + lengthBytes + key.readUInt16BE(typeEnd);
  return end > key.length ? undefined : end;
}
