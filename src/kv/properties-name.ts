/**
 * Under which name the registry has the properties of a bucket, and bucket types. No type has the empty name: what is
 * registered as the properties of its buckets are the types, so that one prefix holds all.
 */
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import type { BucketAddress } from './key-value-store.ts';

export const propertiesPrefix = byteLiteral('properties\0');
export const bucketTypesPrefix = byteLiteral('properties\0\0');

/** Types hold no zero byte, so that the second separator is unambiguous. */
export function propertiesName({ bucketType, bucket }: BucketAddress): ByteString {
  return `${propertiesPrefix}${bucketType}\0${bucket}` as ByteString;
}

/** Of all buckets of a type that have properties of their own. */
export function propertiesPrefixOf(bucketType: ByteString): ByteString {
  return `${propertiesPrefix}${bucketType}\0` as ByteString;
}

export function bucketTypeName(bucketType: ByteString): ByteString {
  return `${bucketTypesPrefix}${bucketType}` as ByteString;
}

/** Of a name with `propertiesPrefix`, but not `bucketTypesPrefix`. */
export function bucketOfPropertiesName(name: ByteString): BucketAddress {
  const separator = name.indexOf('\0', propertiesPrefix.length);
  return {
    bucketType: name.slice(propertiesPrefix.length, separator) as ByteString,
    bucket: name.slice(separator + 1) as ByteString,
  };
}

/** Undefined: the name is not of a type. */
export function typeOfBucketTypeName(name: ByteString): ByteString | undefined {
  return name.startsWith(bucketTypesPrefix)
    ? (name.slice(bucketTypesPrefix.length) as ByteString)
    : undefined;
}
