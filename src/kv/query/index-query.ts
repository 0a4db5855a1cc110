/**
 * An index query as nodes are asked it: a range of the places of one index, or of the keys of a bucket, and perhaps a
 * regular expression that terms must match.
 */
import { Buffer } from 'node:buffer';
import { type ByteString, byteLiteral, byteStringOf, FieldReader, FieldWriter } from '../../stdx/index.ts';
import type { BucketAddress } from '../key-value-store.ts';

/** Stands for the keys themselves, tombstones left out. */
export const keyField = byteLiteral('$key');
/** All keys of a bucket. */
export const bucketField = byteLiteral('$bucket');

export interface IndexQuery extends BucketAddress {
  /** `$key`, or the name of an index. */
  readonly field: ByteString;
  /** The first place, and the first beyond; absent: to the end. Of `$key` a place is a key. */
  readonly from: ByteString;
  readonly to?: ByteString;
  readonly termPattern?: ByteString;
}

export const indexQueryLetter = 'i';

export function encodeIndexQuery(query: IndexQuery): ByteString {
  const writer = new FieldWriter();
  const text = (value: ByteString) => writer.bytes(Buffer.from(value, 'latin1'));
  const optional = (value: ByteString | undefined) => {
    writer.flag(value !== undefined);
    if (value !== undefined) text(value);
  };
  text(query.bucketType);
  text(query.bucket);
  text(query.field);
  text(query.from);
  optional(query.to);
  optional(query.termPattern);
  return byteLiteral(`${indexQueryLetter}${byteStringOf(writer.finish())}`);
}

/** Undefined: malformed. */
export function decodeIndexQuery(encoded: ByteString): IndexQuery | undefined {
  if (!encoded.startsWith(indexQueryLetter)) return undefined;
  const reader = new FieldReader(Buffer.from(encoded.slice(1), 'latin1'));
  const text = () => byteStringOf(reader.bytes());
  const bucketType = text();
  const bucket = text();
  const field = text();
  const from = text();
  const to = reader.flag() ? text() : undefined;
  const termPattern = reader.flag() ? text() : undefined;
  if (!reader.isWhole || bucketType === '' || bucket === '' || field === '') return undefined;
  return {
    bucketType,
    bucket,
    field,
    from,
    ...(to === undefined ? {} : { to }),
    ...(termPattern === undefined ? {} : { termPattern }),
  };
}
