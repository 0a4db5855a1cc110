/**
 * An object's key in any partition: made once a request, whatever the number of replicas on this node. Its
 * bytes are those of the storage key (`key-layout.ts`), with room for the partition.
 */
import { Buffer } from 'node:buffer';
import type { Partition, RingHash } from '../../core/ring/index.ts';
import type { LogFields } from '../../environment/index.ts';
import { textOfBytes, writeByteString } from '../../stdx/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import {
  addressOf,
  expiryBytes,
  expiryPrefix,
  nameBytesMax,
  prefixBytes,
  readExpiry,
  sectionAt,
  sectionExpiries,
  sectionFeed,
  sectionFeedPlaces,
  sectionObjects,
  sectionReaped,
  sectionTombstones,
  spacePartition,
  storedType,
  writeBucket,
} from './key-layout.ts';

/** Two lengths of two bytes. */
const lengthBytes = 4;

export class ObjectKey {
  #bytes: Buffer;
  /** Somebody else has the bytes, and they may not change any more. */
  #areGiven = false;
  #address: ObjectAddress | undefined;
  /** Of the whole name, if somebody has made it before. */
  readonly ringHash: RingHash | undefined;

  /** `name`: the object's address, or the bytes of a storage key, which are taken over. */
  constructor(name: ObjectAddress | Buffer, ringHash?: RingHash) {
    this.ringHash = ringHash;
    this.#bytes = Buffer.isBuffer(name) ? name : storageKeyOf(name);
    this.#bytes[0] = spacePartition;
    this.#bytes[sectionAt] = sectionObjects;
    this.#address = Buffer.isBuffer(name) ? undefined : name;
  }

  /** Reads what `encodeInto` wrote, from bytes `start` to `end`. Undefined: no node wrote this. */
  static decode(bytes: Buffer, start: number, end: number): ObjectKey | undefined {
    if (end - start < lengthBytes) return undefined;
    const typeEnd = start + 2 + bytes.readUInt16BE(start);
    if (typeEnd + 2 > end) return undefined;
    const bucketEnd = typeEnd + 2 + bytes.readUInt16BE(typeEnd);
    const keyLength = end - bucketEnd;
    if (keyLength < 1 || keyLength > nameBytesMax || bucketEnd === typeEnd + 2) return undefined;
    const own = Buffer.allocUnsafe(prefixBytes + end - start);
    bytes.copy(own, prefixBytes, start, end);
    return new ObjectKey(own);
  }

  /** The object that the mark of a tombstone, or an expiry, is of; undefined: this is neither, or damaged. */
  static ofMark(mark: Buffer): ObjectKey | undefined {
    if (mark[0] !== spacePartition) return undefined;
    if (mark[sectionAt] === sectionTombstones) return ObjectKey.decode(mark, prefixBytes, mark.length);
    if (mark[sectionAt] !== sectionExpiries || mark.length < prefixBytes + expiryBytes) return undefined;
    return ObjectKey.decode(mark, readExpiry(mark).nameStart, mark.length);
  }

  /** The object that an entry of a feed is of, and the entry's place of so many bytes; undefined: it is damaged. */
  static ofFeedEntry(
    entry: Buffer,
    placeBytes: number,
  ): { readonly key: ObjectKey; readonly place: Buffer } | undefined {
    if (
      entry[0] !== spacePartition ||
      entry[sectionAt] !== sectionFeed ||
      entry.length < prefixBytes + lengthBytes
    ) {
      return undefined;
    }
    const typeEnd = prefixBytes + 2 + entry.readUInt16BE(prefixBytes);
    if (typeEnd + 2 > entry.length) return undefined;
    const start = typeEnd + 2 + entry.readUInt16BE(typeEnd);
    if (start + placeBytes >= entry.length) return undefined;
    const end = start + placeBytes;
    const name = Buffer.concat([entry.subarray(prefixBytes, start), entry.subarray(end)]);
    const key = ObjectKey.decode(name, 0, name.length);
    return key && { key, place: Buffer.from(entry.subarray(start, end)) };
  }

  get address(): ObjectAddress {
    this.#address ??= addressOf(this.#bytes);
    return this.#address;
  }

  /** For the log. */
  get subject(): LogFields {
    const { bucketType, bucket, key } = this.address;
    return { bucketType: textOfBytes(bucketType), bucket: textOfBytes(bucket), key: textOfBytes(key) };
  }

  /** Bytes that `encodeInto` writes: the key without its place in a node. */
  get encodedBytes(): number {
    return this.#bytes.length - prefixBytes;
  }

  /** Returns the offset after what it wrote. */
  encodeInto(into: Buffer, at: number): number {
    return at + this.#bytes.copy(into, at, prefixBytes);
  }

  /** For a synchronous read: the same buffer each time, overwritten by the next call. */
  borrow(partition: Partition): Buffer {
    const bytes = this.#bytes;
    if (bytes[2] === (partition & 0xff) && bytes[1] === partition >> 8) return bytes;
    const own = this.#areGiven ? Buffer.from(bytes) : bytes;
    own[1] = partition >> 8;
    own[2] = partition;
    this.#areGiven = false;
    this.#bytes = own;
    return own;
  }

  /** As a storage key of some partition: for who reads the name in it, which is all but the first bytes. */
  get anywhere(): Buffer {
    return this.#bytes;
  }

  /** For a write, which keeps it: it does not change any more. */
  keep(partition: Partition): Buffer {
    const bytes = this.borrow(partition);
    this.#areGiven = true;
    return bytes;
  }

  /** A buffer of its own. */
  copy(partition: Partition): Buffer {
    return Buffer.from(this.borrow(partition));
  }

  /** Where it is marked that the object is a tombstone: a buffer of its own. */
  tombstoneMark(partition: Partition): Buffer {
    const mark = this.copy(partition);
    mark[sectionAt] = sectionTombstones;
    return mark;
  }

  /** Where it is said what was reaped of the key: a buffer of its own. */
  reapedRecord(partition: Partition): Buffer {
    const record = this.copy(partition);
    record[sectionAt] = sectionReaped;
    return record;
  }

  /** The object's entry in its bucket's change feed, at this place of it: a buffer of its own. */
  feedEntry(partition: Partition, place: Buffer): Buffer {
    const bytes = this.#bytes;
    const nameStart = keyStart(bytes);
    const entry = Buffer.concat([bytes.subarray(0, nameStart), place, bytes.subarray(nameStart)]);
    entry.writeUInt16BE(partition, 1);
    entry[sectionAt] = sectionFeed;
    return entry;
  }

  /** Where it is said where that entry is: a buffer of its own. */
  feedPlace(partition: Partition): Buffer {
    const place = this.copy(partition);
    place[sectionAt] = sectionFeedPlaces;
    return place;
  }

  /** Where it is said when the object expires: a buffer of its own. */
  expiryEntry(partition: Partition, micros: number): Buffer {
    return Buffer.concat([expiryPrefix(partition, micros), this.#bytes.subarray(prefixBytes)]);
  }
}

/** Behind the type and the bucket. */
function keyStart(bytes: Buffer): number {
  const typeEnd = prefixBytes + 2 + bytes.readUInt16BE(prefixBytes);
  return typeEnd + 2 + bytes.readUInt16BE(typeEnd);
}

function storageKeyOf(address: ObjectAddress): Buffer {
  const type = storedType(address.bucketType);
  const { bucket, key } = address;
  const bytes = Buffer.allocUnsafe(prefixBytes + lengthBytes + type.length + bucket.length + key.length);
  const end = writeBucket(bytes, type, bucket);
  writeByteString(bytes, end, key);
  return bytes;
}
