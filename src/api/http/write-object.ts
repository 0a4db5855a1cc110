/** PUT and POST of an object, with a key or, to the bucket, without one. */
import type { Buffer } from 'node:buffer';
import type { HttpBody, HttpExchange } from '../../environment/index.ts';
import type { KvError, PutRequest, PutResult } from '../../kv/index.ts';
import { type ByteString, byteLiteral, unreachable } from '../../stdx/index.ts';
import { type Content, encodeContent, type Link, type Pair } from '../../wire/index.ts';
import { isAcceptable, mediaTypeOf } from './content-negotiation.ts';
import { ContextHeaderError, parseContext } from './context-header.ts';
import { sendError } from './error-response.ts';
import {
  sendNoContent,
  sendOverload,
  sendPage,
  sendText,
  serverHeader,
  varyEncoding,
} from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import { IndexError, parseIndexHeader } from './index-headers.ts';
import { LinkError, parseLinks } from './link-header.ts';
import { splitContentType } from './object-headers.ts';
import {
  fitsHeaders,
  type StoredObject,
  sendContent,
  sendNotAcceptable,
  sendSiblings,
  siblingFormFor,
  storedObjectOf,
} from './object-representation.ts';
import { percentEncode } from './percent-encoding.ts';
import type { ObjectRoute } from './read-object.ts';
import { linkStyleOf, objectPath, type Route } from './route.ts';
import { parseTtl, TtlError } from './ttl-header.ts';
import { checkByReading, createsOnly, needsReadBeforePut } from './write-conditions.ts';

/** A bucket, for a key of the store's making. */
export type KeylessRoute = Extract<Route, { readonly kind: 'keys' | 'legacy_bucket' }>;
export type WriteRoute = ObjectRoute | KeylessRoute;

/** All of the request but its body, which is read last. */
interface PreparedPut {
  readonly put: Omit<PutRequest, 'content'>;
  readonly contentType: ByteString;
  readonly charset: ByteString | undefined;
  readonly contentEncoding: ByteString | undefined;
  readonly links: readonly Link[];
  readonly indexes: readonly Pair[];
  readonly ttlSeconds: number | undefined;
}

/** Throws `QueryError`. */
export function writeObject(request: HttpRequest<WriteRoute>): void {
  const { exchange, services } = request;
  const prepared = preparePut(request);
  if (typeof prepared === 'string') {
    sendText(exchange, 400, prepared);
    return;
  }
  if (!prepared.contentType.includes('/')) {
    const quoted = JSON.stringify(prepared.contentType);
    sendText(exchange, 415, `${quoted} is not a valid media type for the Content-type header.\n`);
    return;
  }
  const bucketType = request.route.bucketType;
  if (services.store.properties(request.route) === undefined) {
    sendError(exchange, { code: 'unknown_bucket_type', bucketType });
    return;
  }
  // As in a read, where the only form of the object is the one in which it is sent.
  if (!isAcceptable(request.headers.accept, prepared.contentType)) {
    sendNotAcceptable(request);
    return;
  }
  const store = bodyIsForChunks(request) ? streamValue : gatherValue;
  if (request.route.kind === 'object' && store === streamValue && needsReadBeforePut(request.headers)) {
    checkByReading(request as HttpRequest<ObjectRoute>, (unchanged) =>
      streamValue(request, { ...prepared, put: { ...prepared.put, ...unchanged } }),
    );
  } else store(request, prepared);
}

function gatherValue(request: HttpRequest<WriteRoute>, prepared: PreparedPut): void {
  const { exchange, services } = request;
  exchange.readBody(services.limits.bodyBytesMax, (body) => {
    if (body.kind !== 'complete') return sendBodyRefusal(exchange, body);
    const store = (unchanged: Partial<PutRequest> = {}): void =>
      putContent(request, { ...prepared, put: { ...prepared.put, ...unchanged } }, body.bytes);
    if (request.route.kind === 'object' && needsReadBeforePut(request.headers)) {
      checkByReading(request as HttpRequest<ObjectRoute>, store);
    } else store();
  });
}

/** Whether it is long, or may become so. */
function bodyIsForChunks({ headers, route, services }: HttpRequest<WriteRoute>): boolean {
  const { largeValues } = services;
  const { transferEncoding, contentLength } = headers;
  if (largeValues === undefined) return false;
  if (transferEncoding !== undefined) {
    return transferEncoding.toLowerCase() === 'chunked' && largeValues.takes(route, undefined);
  }
  return contentLength !== undefined && largeValues.takes(route, Number(contentLength));
}

/** Takes the body as fast as it is stored. */
function streamValue(request: HttpRequest<WriteRoute>, prepared: PreparedPut): void {
  const { exchange, services, headers } = request;
  const { largeValues, tasks } = services;
  const length = headers.transferEncoding === undefined ? Number(headers.contentLength) : undefined;
  const put = {
    ...prepared.put,
    content: contentOf(request, prepared),
    leaveChunks: true,
    ...(length === undefined ? {} : { length }),
  };
  tasks.spawn('large put', async () => {
    const result = await largeValues!.put(put, exchange.bodyChunks());
    if (result.kind === 'broken_off') exchange.abort();
    else sendStored(request, prepared, result);
  });
}

/** Answers a request whose body could not be had. */
export function sendBodyRefusal(exchange: HttpExchange, body: Exclude<HttpBody, { kind: 'complete' }>): void {
  switch (body.kind) {
    case 'too_large':
      sendText(exchange, 413, 'The request body is larger than the largest object.\n');
      return;
    case 'overload':
      sendOverload(exchange);
      return;
    case 'unsupported_coding':
      sendText(exchange, 501, 'The only transfer coding understood is chunked.\n');
      return;
    case 'aborted':
      return;
    default:
      unreachable(body);
      return;
  }
}

/** A string is the text of a 400. */
function preparePut(request: HttpRequest<WriteRoute>): PreparedPut | string {
  const { route, headers } = request;
  const options = writeOptionsOf(request);
  if (headers.contentType === undefined) return 'Missing Content-Type request header';
  try {
    const links =
      headers.link === undefined ? [] : parseLinks(headers.link, route.bucket, linkStyleOf(route.style));
    const indexes: Pair[] = [];
    for (const { key, value } of headers.indexes) parseIndexHeader(key, value, indexes);
    const { contentType, charset } = splitContentType(headers.contentType);
    return {
      put: { ...options, ...contextOf(request) },
      contentType,
      charset,
      contentEncoding: headers.contentEncoding as ByteString | undefined,
      links,
      indexes,
      ttlSeconds: headers.ttl === undefined ? undefined : parseTtl(headers.ttl),
    };
  } catch (error) {
    if (
      error instanceof LinkError ||
      error instanceof IndexError ||
      error instanceof ContextHeaderError ||
      error instanceof TtlError
    ) {
      return error.message;
    }
    throw error;
  }
}

function writeOptionsOf(request: HttpRequest<WriteRoute>): Omit<PutRequest, 'content'> {
  const { route, query, headers } = request;
  const { bucketType, bucket } = route;
  const key = route.kind === 'object' ? route.key : undefined;
  const ifNoneMatch = createsOnly(headers);
  if (query.isEmpty) return { bucketType, bucket, key, ifNoneMatch };
  // The read of a condition takes these; they must be well-formed even without one.
  query.quorum('r');
  query.quorum('pr');
  return {
    bucketType,
    bucket,
    key,
    ifNoneMatch,
    w: query.quorum('w'),
    dw: query.quorum('dw'),
    pw: query.quorum('pw'),
    nodeConfirms: query.quorum('node_confirms'),
    asis: query.flag('asis'),
    syncOnWrite: query.syncOnWrite(),
    timeoutMs: query.timeoutMs(),
    returnObject: query.text('returnbody') === byteLiteral('true') ? 'body' : 'no',
  };
}

/** Throws `ContextHeaderError`. */
function contextOf(request: HttpRequest<WriteRoute>): Pick<PutRequest, 'context' | 'ifNotModified'> {
  const { vclock, ifNotModified } = request.headers;
  const context = vclock === undefined ? undefined : parseContext(vclock);
  if (ifNotModified === undefined) return { context };
  const condition = parseContext(ifNotModified);
  if (context !== undefined && !context.equals(condition)) {
    throw new ContextHeaderError('X-Riak-Vclock and X-Riak-If-Not-Modified differ.\n');
  }
  return { context: condition, ifNotModified: true };
}

function putContent(request: HttpRequest<WriteRoute>, prepared: PreparedPut, value: Buffer): void {
  const content = encodeContent({ ...contentOf(request, prepared), value });
  request.services.store.put({ ...prepared.put, content, leaveChunks: true }, (result) => {
    sendStored(request, prepared, result);
  });
}

function contentOf(request: HttpRequest<WriteRoute>, prepared: PreparedPut): Omit<Content, 'value'> {
  return {
    contentType: prepared.contentType,
    charset: prepared.charset,
    contentEncoding: prepared.contentEncoding,
    links: prepared.links,
    userMeta: request.headers.userMeta,
    indexes: prepared.indexes,
    deleted: false,
    ...(prepared.ttlSeconds === undefined ? {} : { ttlSeconds: prepared.ttlSeconds }),
  };
}

function sendStored(request: HttpRequest<WriteRoute>, prepared: PreparedPut, result: PutResult): void {
  const { exchange, route } = request;
  if (result.kind === 'failed') {
    // A condition of the store's own: what is not there cannot be unmodified.
    if (needsReadBeforePut(request.headers) && isConditionOf(result.error)) {
      sendPage(exchange, 412, 'Vary', varyEncoding);
      return;
    }
    const conflict = prepared.put.ifNotModified === true && result.error.code === 'notfound';
    sendError(exchange, conflict ? { code: 'modified' } : result.error);
    return;
  }
  // The write has happened: siblings that cannot be shown must not make it look failed.
  const isShown = result.object !== undefined && fitsHeaders(result.object);
  const object = isShown ? storedObjectOf(result.object) : undefined;
  if (route.kind !== 'object') {
    const location = objectPath(route, result.generatedKey ?? byteLiteral(''), percentEncode);
    sendCreated(request, location, object);
    return;
  }
  if (object === undefined) {
    sendNoContent(exchange, mediaTypeWithCharset(prepared));
    return;
  }
  if (object.contents.length === 1) {
    sendContent(request, 200, object, object.contents[0]!);
    return;
  }
  sendSiblings(request, 300, object, formOfWritten(request));
}

/** Somebody wrote between the read of a condition and the write. */
function isConditionOf({ code }: KvError): boolean {
  return code === 'modified' || code === 'match_found' || code === 'notfound';
}

function sendCreated(
  request: HttpRequest<WriteRoute>,
  location: string,
  object: StoredObject | undefined,
): void {
  if (object === undefined) {
    const contentType = mediaTypeOf(request.headers.contentType ?? '');
    request.exchange.respond(201, [
      'Vary',
      varyEncoding,
      'Server',
      serverHeader,
      'Location',
      location,
      'Content-Type',
      contentType,
    ]);
  } else if (object.contents.length === 1) {
    sendContent(request, 201, object, object.contents[0]!, 'Location', location);
  } else {
    sendSiblings(request, 201, object, formOfWritten(request), 'Location', location);
  }
}

/** The write has happened: an Accept that takes neither form must not make it look failed. */
function formOfWritten(request: HttpRequest<WriteRoute>): 'text/plain' | 'multipart/mixed' {
  return siblingFormFor(request.headers.accept, 'write') ?? 'multipart/mixed';
}

function mediaTypeWithCharset({ contentType, charset }: PreparedPut): string {
  return charset === undefined ? contentType : `${contentType}; charset=${charset}`;
}
