/** Under which name the registry has the properties of a bucket. */
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import type { BucketAddress } from './key-value-store.ts';

export const propertiesPrefix = byteLiteral('properties\0');

/** Types hold no zero byte, so that the second separator is unambiguous. */
export function propertiesName({ bucketType, bucket }: BucketAddress): ByteString {
  return `${propertiesPrefix}${bucketType}\0${bucket}` as ByteString;
}

export function bucketOfPropertiesName(name: ByteString): BucketAddress {
  const separator = name.indexOf('\0', propertiesPrefix.length);
  return {
    bucketType: name.slice(propertiesPrefix.length, separator) as ByteString,
    bucket: name.slice(separator + 1) as ByteString,
  };
}
