/**
 * Where the chunks of large values are kept: a bucket type of the database's own, which no client can name, since a type's
 * name holds no zero byte. Its objects are replicated, compared, repaired and handed over as all others are.
 */
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import type { BucketProperties } from './bucket-properties.ts';

export const chunkType = byteLiteral('\0large');
/** A piece of a value each, by upload and index. */
export const chunkBucket = byteLiteral('chunks');
/** What there is to know of an upload before it has a manifest, and after nothing refers to it. */
export const uploadBucket = byteLiteral('uploads');

const indexDigits = 8;

export function chunkKey(upload: ByteString, index: number): ByteString {
  return byteLiteral(`${upload}.${index.toString(16).padStart(indexDigits, '0')}`);
}

/** A chunk is written once, so that it has no siblings but twins; and it is placed as a bucket without properties is. */
export function chunkSpaceProperties(defaults: BucketProperties): BucketProperties {
  return { ...defaults, allow_mult: true, last_write_wins: false, precommit: [], postcommit: [], ttl: 0 };
}
