/** The resources that list: `/buckets`, `/buckets/B/keys` and their other spellings. */
import type { BucketAddress } from '../../kv/index.ts';
import { propertiesToJson } from '../../kv/index.ts';
import { type ByteString, byteLiteral, textOfBytes } from '../../stdx/index.ts';
import { sendError } from './error-response.ts';
import { sendJson } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import { type Listing, sendListing, streamListing } from './list-names.ts';
import type { Route } from './route.ts';

type KeysRoute = Extract<Route, { readonly kind: 'keys' }>;
type BucketsRoute = Extract<Route, { readonly kind: 'buckets' }>;
type LegacyRoute = Extract<Route, { readonly kind: 'legacy_bucket' }>;

type ListingMode = 'none' | 'buffered' | 'streamed';

const anyBucket = byteLiteral('');

/** Throws `QueryError`. */
export function listKeys(request: HttpRequest<KeysRoute>): void {
  const { exchange, services, route, query } = request;
  if (!knowsType(request, route)) return;
  const mode = modeOf(query.text('keys'));
  if (mode === 'none') {
    sendJson(exchange, 200, {});
    return;
  }
  const names = services.store.listKeys(route, { timeoutMs: query.timeoutMs() });
  spawnListing(request, mode, { member: 'keys', names, preamble: '' });
}

/** Throws `QueryError`. */
export function listBuckets(request: HttpRequest<BucketsRoute>): void {
  const { exchange, services, route, query } = request;
  if (!knowsType(request, { bucketType: route.bucketType, bucket: anyBucket })) return;
  const mode = modeOf(query.text('buckets'));
  if (mode === 'none') {
    sendJson(exchange, 200, { buckets: [] });
    return;
  }
  const names = services.store.listBuckets(route.bucketType, { timeoutMs: query.timeoutMs() });
  spawnListing(request, mode, { member: 'buckets', names, preamble: '' });
}

/** Riak's first URL of a bucket: its properties unless `props=false`, its keys if asked for. Throws `QueryError`. */
export function readLegacyBucket(request: HttpRequest<LegacyRoute>): void {
  const { exchange, services, route, query } = request;
  const properties = services.store.properties(route);
  if (properties === undefined) {
    sendUnknownType(request, route.bucketType);
    return;
  }
  const props =
    query.text('props') === byteLiteral('false')
      ? undefined
      : propertiesToJson(properties, textOfBytes(route.bucket));
  const mode = modeOf(query.text('keys'));
  if (mode === 'none') {
    sendJson(exchange, 200, props === undefined ? {} : { props });
    return;
  }
  const names = services.store.listKeys(route, { timeoutMs: query.timeoutMs() });
  const preamble = props === undefined ? '' : `"props":${JSON.stringify(props)}`;
  spawnListing(request, mode, { member: 'keys', names, preamble });
}

function modeOf(parameter: ByteString | undefined): ListingMode {
  const text: string | undefined = parameter;
  if (text === 'true') return 'buffered';
  return text === 'stream' ? 'streamed' : 'none';
}

function spawnListing(
  { exchange, services }: Pick<HttpRequest<Route>, 'exchange' | 'services'>,
  mode: 'buffered' | 'streamed',
  listing: Listing,
): void {
  const send = mode === 'buffered' ? sendListing : streamListing;
  services.tasks.spawn(`http list ${listing.member}`, () => send(exchange, listing));
}

/** If not, the answer has been sent. */
function knowsType(
  request: Pick<HttpRequest<Route>, 'exchange' | 'services'>,
  address: BucketAddress,
): boolean {
  if (request.services.store.properties(address) !== undefined) return true;
  sendUnknownType(request, address.bucketType);
  return false;
}

function sendUnknownType({ exchange }: Pick<HttpRequest<Route>, 'exchange'>, bucketType: ByteString): void {
  sendError(exchange, { code: 'unknown_bucket_type', bucketType });
}
