/**
 * What is written before the first chunk of an upload: whose it is, when it began, and how many chunks there may be. By it
 * chunks are found to which nothing refers, whoever died in the middle; it goes when they have gone.
 *
 *   1 byte version · 8 bytes begun · 4 bytes chunks · 2 bytes length, type · 2 bytes length, bucket · key
 */
import { Buffer } from 'node:buffer';
import { byteStringOf } from '../../stdx/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';

const version = 1;
const headBytes = 13;

export interface UploadRecord {
  /** The object that is to refer to the chunks. No other ever does. */
  readonly owner: ObjectAddress;
  /** Microseconds since the Unix epoch, by the clock of who took the upload. */
  readonly begunMicros: number;
  /** Of higher indexes there are none. */
  readonly chunksMax: number;
}

export function encodeUploadRecord({ owner, begunMicros, chunksMax }: UploadRecord): Buffer {
  const { bucketType, bucket, key } = owner;
  const bytes = Buffer.allocUnsafe(headBytes + 4 + bucketType.length + bucket.length + key.length);
  bytes[0] = version;
  bytes.writeBigUInt64BE(BigInt(begunMicros), 1);
  let at = bytes.writeUInt32BE(chunksMax, 9);
  for (const name of [bucketType, bucket]) {
    at = bytes.writeUInt16BE(name.length, at);
    at += bytes.write(name, at, 'latin1');
  }
  bytes.write(key, at, 'latin1');
  return bytes;
}

/** Undefined: malformed, or of a later version. */
export function decodeUploadRecord(bytes: Buffer): UploadRecord | undefined {
  const end = bytes.length;
  if (bytes[0] !== version || end < headBytes + 2) return undefined;
  const typeEnd = headBytes + 2 + bytes.readUInt16BE(headBytes);
  if (typeEnd + 2 > end) return undefined;
  const bucketEnd = typeEnd + 2 + bytes.readUInt16BE(typeEnd);
  if (bucketEnd >= end) return undefined;
  return {
    owner: {
      bucketType: byteStringOf(bytes, headBytes + 2, typeEnd),
      bucket: byteStringOf(bytes, typeEnd + 2, bucketEnd),
      key: byteStringOf(bytes, bucketEnd, end),
    },
    begunMicros: Number(bytes.readBigUInt64BE(1)),
    chunksMax: bytes.readUInt32BE(9),
  };
}
