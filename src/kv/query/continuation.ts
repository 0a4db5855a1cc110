/**
 * Where the next page of a query begins, as an opaque text: the last place that was shown, and a checksum over it and
 * the index it is of. Not a secret and not trusted: one that is made up is refused, or else is a place like any other.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { type ByteString, byteLiteral, byteStringOf } from '../../stdx/index.ts';
import type { BucketAddress } from '../key-value-store.ts';

const version = 1;
const headBytes = 5;

/** What it belongs to: it goes on in another range of the same index, but in no other index. */
export type ContinuedIndex = BucketAddress & { readonly field: ByteString };

export function continuationAt(index: ContinuedIndex, place: ByteString): ByteString {
  const bytes = Buffer.allocUnsafe(headBytes + place.length);
  bytes[0] = version;
  bytes.writeUInt32BE(checksumOf(index, place), 1);
  bytes.write(place, headBytes, 'latin1');
  return byteLiteral(bytes.toString('base64url'));
}

/** Undefined: not one that was given for this index. */
export function placeOfContinuation(index: ContinuedIndex, continuation: ByteString): ByteString | undefined {
  const bytes = Buffer.from(continuation, 'base64url');
  if (bytes.toString('base64url') !== continuation || bytes.length <= headBytes) return undefined;
  if (bytes[0] !== version) return undefined;
  const place = byteStringOf(bytes, headBytes);
  return bytes.readUInt32BE(1) === checksumOf(index, place) ? place : undefined;
}

function checksumOf({ bucketType, bucket, field }: ContinuedIndex, place: ByteString): number {
  const names = `${bucketType.length} ${bucket.length} ${field.length} ${bucketType}${bucket}${field}${place}`;
  return crc32(Buffer.from(names, 'latin1'));
}
