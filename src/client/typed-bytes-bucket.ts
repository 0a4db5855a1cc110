/** A bucket of raw bytes over a transport: values whole, and in pieces. */
import { bytesOfText } from '../stdx/index.ts';
import type { Content } from '../wire/index.ts';
import { indexPairs, metadataPairs } from './entry.ts';
import { HaleError } from './hale-error.ts';
import { nameBytes } from './name-bytes.ts';
import type { ObjectName } from './transport.ts';
import { checkedTtl, TypedBucket, type TypedBucketParts } from './typed-bucket.ts';
import { bytesCodec } from './value-codec.ts';
import type { ValueSource } from './value-source.ts';
import {
  type BytesBucket,
  type ReadStreamOptions,
  readStream,
  type ValueStream,
  type WriteStreamOptions,
  writeStream,
} from './value-stream.ts';

export class TypedBytesBucket extends TypedBucket<Uint8Array, Uint8Array> implements BytesBucket {
  readonly #parts: TypedBucketParts<Uint8Array, Uint8Array>;

  constructor(parts: TypedBucketParts<Uint8Array, Uint8Array>) {
    super(parts);
    this.#parts = parts;
  }

  async readStream(key: string, options: ReadStreamOptions = {}): Promise<ValueStream | undefined> {
    const { transport, options: bucket } = this.#parts;
    return readStream(transport, this.#object(key), key, options, bucket.merge);
  }

  async writeStream(key: string, source: ValueSource, options: WriteStreamOptions = {}): Promise<void> {
    await writeStream(this.#parts.transport, this.#object(key), source, this.#content(options), options);
  }

  #object(key: string): ObjectName {
    return {
      bucketType: nameBytes('bucket type', this.type),
      bucket: nameBytes('bucket', this.name),
      key: nameBytes('key', key),
    };
  }

  #content({ contentType, metadata, indexes, ttlSeconds }: WriteStreamOptions): Omit<Content, 'value'> {
    if (indexes === undefined && this.#parts.options.indexes !== undefined) {
      const text =
        'the index entries of this bucket are derived from values, and a stream has none: give them';
      throw new HaleError('invalid_argument', text);
    }
    return {
      contentType: bytesOfText(contentType ?? bytesCodec.contentType),
      links: [],
      userMeta: metadataPairs(metadata ?? {}),
      indexes: indexPairs(indexes ?? {}),
      deleted: false,
      ...(ttlSeconds === undefined ? {} : { ttlSeconds: checkedTtl(ttlSeconds) }),
    };
  }
}
