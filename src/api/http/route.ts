/** Which resource a path names. Three styles reach the same objects; answers use the style of the request. */
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import type { LinkStyle } from './link-header.ts';

const defaultType = byteLiteral('default');

/** `types` for `/types/T/buckets/B/keys/K`, `buckets` without its first two segments, `riak` for `/riak/B/K`. */
export type UrlStyle = 'types' | LinkStyle;

export interface BucketRoute {
  readonly style: UrlStyle;
  readonly bucketType: ByteString;
  readonly bucket: ByteString;
}

export type Route =
  | { readonly kind: 'index' | 'ping' | 'stats' | 'map_reduce' | 'admin' | 'unknown' }
  /** A resource of Riak's that this version lacks. */
  | { readonly kind: 'missing_feature'; readonly feature: string }
  | { readonly kind: 'buckets'; readonly bucketType: ByteString }
  | { readonly kind: 'type_properties'; readonly bucketType: ByteString }
  | ({ readonly kind: 'bucket_properties' } & BucketRoute)
  | ({ readonly kind: 'keys' } & BucketRoute)
  | ({ readonly kind: 'legacy_bucket' } & BucketRoute)
  /** `terms`: one, or the two ends of a range. */
  | ({
      readonly kind: 'index_query';
      readonly field: ByteString;
      readonly terms: readonly ByteString[];
    } & BucketRoute)
  | ({ readonly kind: 'object'; readonly key: ByteString } & BucketRoute)
  | ({ readonly kind: 'preflist'; readonly key: ByteString } & BucketRoute)
  /** Without a key the store makes one. */
  | ({ readonly kind: 'datatype'; readonly key: ByteString | undefined } & BucketRoute)
  | ({ readonly kind: 'feed' } & BucketRoute)
  | ({ readonly kind: 'watch'; readonly key: ByteString } & BucketRoute)
  | ({ readonly kind: 'counter'; readonly key: ByteString } & BucketRoute)
  /** `stepCount`: so many segments of the path follow the key. */
  | ({ readonly kind: 'link_walk'; readonly key: ByteString; readonly stepCount: number } & BucketRoute);

export function routeOf(segments: readonly ByteString[]): Route {
  const first: string | undefined = segments[0];
  switch (first) {
    case undefined:
      return { kind: 'index' };
    case 'buckets':
      return bucketsRoute(segments, 1, 'buckets', defaultType);
    case 'types':
      return typesRoute(segments);
    case 'riak':
      return legacyRoute(segments);
    case 'ping':
    case 'stats':
      return segments.length === 1 ? { kind: first } : { kind: 'unknown' };
    case 'admin':
      return { kind: 'admin' };
    case 'mapred':
      return segments.length === 1 ? { kind: 'map_reduce' } : { kind: 'unknown' };
    default:
      return { kind: 'unknown' };
  }
}

/** The path of an object in the style of the request, for `Location`; all parts encoded by `encode`. */
export function objectPath(
  route: BucketRoute,
  key: ByteString,
  encode: (name: ByteString) => string,
): string {
  const bucket = encode(route.bucket);
  switch (route.style) {
    case 'riak':
      return `/riak/${bucket}/${encode(key)}`;
    case 'buckets':
      return `/buckets/${bucket}/keys/${encode(key)}`;
    case 'types':
      return `/types/${encode(route.bucketType)}/buckets/${bucket}/keys/${encode(key)}`;
  }
}

export function linkStyleOf(style: UrlStyle): LinkStyle {
  return style === 'riak' ? 'riak' : 'buckets';
}

function typesRoute(segments: readonly ByteString[]): Route {
  const bucketType = segments[1];
  if (bucketType === undefined) return { kind: 'unknown' };
  if (segments[2] === byteLiteral('props') && segments.length === 3) {
    return { kind: 'type_properties', bucketType };
  }
  return segments[2] === byteLiteral('buckets')
    ? bucketsRoute(segments, 3, 'types', bucketType)
    : { kind: 'unknown' };
}

function bucketsRoute(
  segments: readonly ByteString[],
  from: number,
  style: UrlStyle,
  bucketType: ByteString,
): Route {
  const bucket = segments[from];
  if (bucket === undefined) return { kind: 'buckets', bucketType };
  const resource: string | undefined = segments[from + 1];
  const rest = segments.length - from - 2;
  switch (resource) {
    case 'keys':
      return keysRoute(segments, from + 2, { style, bucketType, bucket });
    case 'props':
      return rest === 0 ? { kind: 'bucket_properties', style, bucketType, bucket } : { kind: 'unknown' };
    case 'index': {
      const field = segments[from + 2];
      const terms = segments.slice(from + 3);
      return field === undefined
        ? { kind: 'unknown' }
        : { kind: 'index_query', style, bucketType, bucket, field, terms };
    }
    case 'feed':
      return rest === 0 ? { kind: 'feed', style, bucketType, bucket } : { kind: 'unknown' };
    case 'query':
      return { kind: 'missing_feature', feature: 'The query API' };
    case 'counters':
      return rest === 1 && style === 'buckets'
        ? { kind: 'counter', key: segments[from + 2]!, style, bucketType, bucket }
        : { kind: 'unknown' };
    case 'datatypes':
      return rest <= 1 && style === 'types'
        ? { kind: 'datatype', key: segments[from + 2], style, bucketType, bucket }
        : { kind: 'unknown' };
    default:
      return { kind: 'unknown' };
  }
}

function keysRoute(segments: readonly ByteString[], from: number, bucketRoute: BucketRoute): Route {
  const key = segments[from];
  if (key === undefined) return { kind: 'keys', ...bucketRoute };
  if (segments.length === from + 1) return { kind: 'object', key, ...bucketRoute };
  const stepCount = segments.length - from - 1;
  const only: string | undefined = stepCount === 1 ? segments[from + 1] : undefined;
  return only === 'preflist' || only === 'watch'
    ? { kind: only, key, ...bucketRoute }
    : { kind: 'link_walk', key, stepCount, ...bucketRoute };
}

function legacyRoute(segments: readonly ByteString[]): Route {
  const bucketType = defaultType;
  const bucket = segments[1];
  if (bucket === undefined) return { kind: 'buckets', bucketType };
  const key = segments[2];
  if (key === undefined) return { kind: 'legacy_bucket', style: 'riak', bucketType, bucket };
  const stepCount = segments.length - 3;
  if (stepCount > 0) return { kind: 'link_walk', style: 'riak', bucketType, bucket, key, stepCount };
  return { kind: 'object', style: 'riak', bucketType, bucket, key };
}
