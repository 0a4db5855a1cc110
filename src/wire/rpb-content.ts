/**
 * RpbContent: one value ("sibling") with its metadata. Its encoded bytes are also the stored form of
 * a sibling (D9), so that a read over Protocol Buffers copies bytes and decodes nothing.
 */
import type { Buffer } from 'node:buffer';
import type { ByteString } from '../stdx/index.ts';

export interface Pair {
  readonly key: ByteString;
  readonly value: ByteString;
}

export interface Link {
  readonly bucket: ByteString;
  readonly key: ByteString;
  readonly tag: ByteString;
}

export interface Content {
  readonly value: Buffer;
  readonly contentType?: ByteString;
  readonly charset?: ByteString;
  readonly contentEncoding?: ByteString;
  readonly vtag?: ByteString;
  readonly links: readonly Link[];
  /** Microseconds since the Unix epoch (fields 7 and 8). */
  readonly lastModifiedMicros?: number;
  readonly userMeta: readonly Pair[];
  readonly indexes: readonly Pair[];
  readonly deleted: boolean;
}
