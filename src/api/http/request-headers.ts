/** The headers that mean something here, gathered in one pass; all others are ignored. */
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import type { Pair } from '../../wire/index.ts';
import { indexHeaderPrefix } from './index-headers.ts';

const metaPrefix = 'x-riak-meta-';

export interface RequestHeaders {
  accept: string | undefined;
  contentType: string | undefined;
  contentEncoding: string | undefined;
  contentLength: string | undefined;
  host: string | undefined;
  ifMatch: string | undefined;
  ifModifiedSince: string | undefined;
  ifNoneMatch: string | undefined;
  ifNotModified: string | undefined;
  ifRange: string | undefined;
  ifUnmodifiedSince: string | undefined;
  lastEventId: string | undefined;
  link: string | undefined;
  origin: string | undefined;
  range: string | undefined;
  referer: string | undefined;
  transferEncoding: string | undefined;
  /** Seconds. */
  ttl: string | undefined;
  vclock: string | undefined;
  /** User metadata; the key is the header's name as received. */
  userMeta: readonly Pair[];
  /** Index headers, the key without its prefix, as received. */
  indexes: readonly Pair[];
}

const none: readonly Pair[] = [];

/** `headers` is flat: name, value, … Of a header that may be a list, several are joined; else the first counts. */
export function readRequestHeaders(headers: readonly string[]): RequestHeaders {
  const read: RequestHeaders = {
    accept: undefined,
    contentType: undefined,
    contentEncoding: undefined,
    contentLength: undefined,
    host: undefined,
    ifMatch: undefined,
    ifModifiedSince: undefined,
    ifNoneMatch: undefined,
    ifNotModified: undefined,
    ifRange: undefined,
    ifUnmodifiedSince: undefined,
    lastEventId: undefined,
    link: undefined,
    origin: undefined,
    range: undefined,
    referer: undefined,
    transferEncoding: undefined,
    ttl: undefined,
    vclock: undefined,
    userMeta: none,
    indexes: none,
  };
  for (let at = 0; at + 1 < headers.length; at += 2) {
    readHeader(read, headers[at]!, headers[at + 1]!);
  }
  return read;
}

function readHeader(read: RequestHeaders, name: string, value: string): void {
  const lower = name.toLowerCase();
  switch (lower) {
    case 'accept':
      read.accept = joined(read.accept, value);
      return;
    case 'content-type':
      read.contentType ??= value;
      return;
    case 'content-encoding':
      read.contentEncoding ??= value;
      return;
    case 'content-length':
      read.contentLength ??= value;
      return;
    case 'host':
      read.host ??= value;
      return;
    case 'if-match':
      read.ifMatch = joined(read.ifMatch, value);
      return;
    case 'if-modified-since':
      read.ifModifiedSince ??= value;
      return;
    case 'if-none-match':
      read.ifNoneMatch = joined(read.ifNoneMatch, value);
      return;
    case 'if-range':
      read.ifRange ??= value;
      return;
    case 'if-unmodified-since':
      read.ifUnmodifiedSince ??= value;
      return;
    case 'last-event-id':
      read.lastEventId ??= value;
      return;
    case 'link':
      read.link = joined(read.link, value);
      return;
    case 'origin':
      read.origin ??= value;
      return;
    case 'range':
      read.range = joined(read.range, value);
      return;
    case 'referer':
      read.referer ??= value;
      return;
    case 'transfer-encoding':
      read.transferEncoding = joined(read.transferEncoding, value);
      return;
    case 'x-riak-ttl':
      read.ttl ??= value;
      return;
    case 'x-riak-vclock':
      read.vclock ??= value;
      return;
    case 'x-riak-if-not-modified':
      read.ifNotModified ??= value;
      return;
    default:
      if (lower.startsWith(metaPrefix)) {
        read.userMeta = appended(read.userMeta, { key: byteLiteral(name), value: value as ByteString });
      } else if (lower.startsWith(indexHeaderPrefix)) {
        const field = byteLiteral(name.slice(indexHeaderPrefix.length));
        read.indexes = appended(read.indexes, { key: field, value: value as ByteString });
      }
  }
}

function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`;
}

/** The shared empty list stays empty; any other list was made here and belongs to this request. */
function appended(pairs: readonly Pair[], pair: Pair): readonly Pair[] {
  if (pairs === none) return [pair];
  (pairs as Pair[]).push(pair);
  return pairs;
}
