/**
 * What the engine of several backends must know of keys, whose layout is not its own: which bucket an entry is of.
 * The name of a bucket, or of all buckets of a type, is opaque here; a bucket's name begins with its type's.
 */
import type { Buffer } from 'node:buffer';
import type { ByteString } from '../../stdx/index.ts';
import type { KeyRange } from '../storage-engine.ts';

export interface KeyPlaces {
  /** All entries that have a bucket are in it. */
  readonly bucketEntries: KeyRange & { readonly from: Buffer; readonly to: Buffer };
  /** The bucket that an entry is of; undefined: it is a record of the node's. */
  bucketOf(key: Buffer): ByteString | undefined;
  /** The bucket whose entries are all that a range can hold; undefined: there may be others. */
  bucketOfRange(range: KeyRange): ByteString | undefined;
  /** The type of a bucket. */
  typeOf(bucket: ByteString): ByteString;
  /** Where entries of a bucket, or of a type, may stand; with those of others among them. */
  rangesOf(name: ByteString): Iterable<KeyRange>;
  /** The key of a record of the engine's own, outside `bucketEntries`. */
  recordKey(name: string): Buffer;
}
