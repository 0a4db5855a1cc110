/**
 * `/buckets/B/feed` and `/buckets/B/keys/K/watch`: the changes of a bucket, or of one key, as server-sent events (the
 * `text/event-stream` of the HTML standard). An answer that does not end.
 *
 * An event's `id` is the cursor that begins behind it. It stands with the last event of a batch and with each heartbeat, so
 * whoever comes again with it (as browsers do by themselves, in `Last-Event-ID`) misses nothing, and may hear a few
 * events twice. What the peer has not read yet is waited for: nothing is gathered here.
 */
import { Buffer } from 'node:buffer';
import type { Clock, HttpExchange } from '../../environment/index.ts';
import {
  type FeedBatch,
  type FeedEvent,
  type FeedReader,
  type FeedSubscription,
  KvFailure,
  type VersionedObject,
} from '../../kv/index.ts';
import { type ByteString, textOfBytes } from '../../stdx/index.ts';
import { formatContext } from './context-header.ts';
import { sendText, serverHeader } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import { QueryError, type QueryParameters } from './query-parameters.ts';
import type { Route } from './route.ts';

type FeedRoute = Extract<Route, { readonly kind: 'feed' }>;
type WatchRoute = Extract<Route, { readonly kind: 'watch' }>;

const heartbeatMsDefault = 15_000;
const heartbeatMsMin = 100;
const heartbeatMsMax = 60_000;
/** What is written at once, roughly. */
const pieceBytesMax = 64 * 1024;

/** Throws `QueryError` and `KvFailure`. */
export function followBucket(request: HttpRequest<FeedRoute>): void {
  const { query } = request;
  const key = query.text('key');
  const prefix = query.text('prefix');
  if (key !== undefined && prefix !== undefined) {
    throw new QueryError('A feed is of one key or of those with a prefix: give "key" or "prefix".\n');
  }
  if (key === '') throw new QueryError('The key is empty.\n');
  if (key !== undefined) follow(request, { kind: 'key', name: key });
  else follow(request, prefix === undefined || prefix === '' ? undefined : { kind: 'prefix', name: prefix });
}

/** Throws `QueryError` and `KvFailure`. */
export function watchKey(request: HttpRequest<WatchRoute>): void {
  follow(request, { kind: 'key', name: request.route.key });
}

function follow(request: HttpRequest<FeedRoute | WatchRoute>, only: FeedSubscription['only']): void {
  const { exchange, services, route, query, headers } = request;
  const { feeds, tasks } = services;
  if (feeds === undefined) {
    sendText(exchange, 501, 'Change feeds are not available here.\n');
    return;
  }
  const { bucketType, bucket } = route;
  const pace = {
    heartbeatMs: numberOf(query, 'heartbeat', heartbeatMsMin, heartbeatMsMax) ?? heartbeatMsDefault,
    timeoutMs: query.timeoutMs(),
    hasValues: query.flag('values') ?? false,
  };
  const reader = feeds.open({
    bucketType,
    bucket,
    since: sinceOf(query, headers.lastEventId),
    ...(only === undefined ? {} : { only }),
  });
  if (exchange.method === 'HEAD') {
    // Opened only for what would be wrong with it: nothing is read for a body that is not sent.
    reader.close();
    exchange.start(200, headersOfFeed());
    exchange.end();
    return;
  }
  tasks.spawn('http feed', () => send(exchange, reader, pace, services.clock));
}

/** What the client has heard last is later than what the address says, with which it had begun. */
function sinceOf(query: QueryParameters, lastEventId: string | undefined): FeedSubscription['since'] {
  const cursor = lastEventId || query.text('cursor');
  if (cursor !== undefined && cursor !== '') return { cursor };
  const since: string = query.text('since') ?? 'now';
  if (since === 'now' || since === 'start') return since;
  throw new QueryError('since query parameter must be now or start\n');
}

function numberOf(query: QueryParameters, name: string, min: number, max: number): number | undefined {
  const text: string | undefined = query.text(name);
  if (text === undefined) return undefined;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (number >= min && number <= max) return number;
  throw new QueryError(`${name} query parameter must be milliseconds from ${min} to ${max}\n`);
}

function headersOfFeed(): string[] {
  return ['Server', serverHeader, 'Content-Type', 'text/event-stream', 'Cache-Control', 'no-cache'];
}

interface Pace {
  readonly heartbeatMs: number;
  readonly timeoutMs: number | undefined;
  readonly hasValues: boolean;
}

async function send(
  exchange: HttpExchange,
  reader: FeedReader,
  { heartbeatMs, timeoutMs, hasValues }: Pace,
  clock: Pick<Clock, 'now'>,
): Promise<void> {
  const { signal } = exchange;
  signal.addEventListener('abort', () => reader.close(), { once: true });
  exchange.start(200, headersOfFeed());
  const startedAt = clock.now();
  try {
    // At once, so that who connects knows where the feed stands.
    let batch = await reader.next(0);
    while (batch !== undefined && !signal.aborted) {
      for (const piece of piecesOf(batch, hasValues)) {
        if (!exchange.write(Buffer.from(piece))) await exchange.drained();
        if (signal.aborted) return;
      }
      const leftMs = timeoutMs === undefined ? heartbeatMs : timeoutMs - (clock.now() - startedAt);
      if (leftMs <= 0) break;
      batch = await reader.next(Math.min(heartbeatMs, leftMs));
    }
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    exchange.write(Buffer.from(`event: error\ndata: ${JSON.stringify({ error: error.error.code })}\n\n`));
  } finally {
    reader.close();
  }
  exchange.end();
}

function* piecesOf({ events, cursor }: FeedBatch, hasValues: boolean): Generator<string> {
  let piece = '';
  for (const [index, event] of events.entries()) {
    const isLast = index === events.length - 1;
    piece += `${isLast ? `id: ${cursor}\n` : ''}event: ${kindOf(event)}\ndata: ${dataOf(event, hasValues)}\n\n`;
    if (piece.length < pieceBytesMax && !isLast) continue;
    yield piece;
    piece = '';
  }
  // An event without data is none: it only tells the cursor.
  if (events.length === 0) yield `: nothing new\nid: ${cursor}\n\n`;
}

function kindOf(event: FeedEvent): string {
  if (event.kind === 'gap') return 'gap';
  return isDeleted(event.object) ? 'deleted' : 'changed';
}

function isDeleted(object: VersionedObject | undefined): boolean {
  return object === undefined || object.isTombstone;
}

function dataOf(event: FeedEvent, hasValues: boolean): string {
  if (event.kind === 'gap') return '{}';
  const { key, object, micros } = event;
  const shown = {
    ...nameOf('key', key),
    time: Math.floor(micros / 1000),
    ...(object === undefined ? {} : { vclock: formatContext(object.context) }),
    ...(hasValues && object !== undefined && !isDeleted(object) ? { values: valuesOf(object) } : {}),
  };
  return JSON.stringify(shown);
}

/** Siblings, each as text if it is text. */
function valuesOf(object: VersionedObject): readonly Record<string, string | boolean>[] {
  return object.contents().map(({ value, contentType, deleted, manifest }) => ({
    content_type: contentType === undefined ? 'application/octet-stream' : textOfBytes(contentType),
    ...(deleted ? { deleted } : {}),
    // A value that is kept in chunks is to be fetched by its key.
    ...(manifest === undefined ? textOrBase64('value', Buffer.from(value)) : { large: true }),
  }));
}

function nameOf(name: string, bytes: ByteString): Record<string, string> {
  return textOrBase64(name, Buffer.from(bytes, 'latin1'));
}

/** JSON is text: other bytes stand under `…_base64`. */
function textOrBase64(name: string, bytes: Buffer): Record<string, string> {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes)
    ? { [name]: text }
    : { [`${name}_base64`]: bytes.toString('base64') };
}
