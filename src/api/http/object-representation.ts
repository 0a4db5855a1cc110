/** An object as a response: one value, or its siblings in one of two forms. */
import type { Buffer } from 'node:buffer';
import type { HttpExchange } from '../../environment/index.ts';
import type { VersionedObject } from '../../kv/index.ts';
import { type Content, contentEntriesMax, hasBoundedMetadata } from '../../wire/index.ts';
import { isAcceptable, negotiate } from './content-negotiation.ts';
import { formatContext } from './context-header.ts';
import { siblingsEntityTag } from './entity-tag.ts';
import { headerValue } from './header-text.ts';
import { formatHttpDate } from './http-date.ts';
import { sendPage, sendText, serverHeader, varyBoth, varyEncoding } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import { contentTypeOf, lastModifiedSeconds, pushContentHeaders } from './object-headers.ts';
import type { Validators } from './preconditions.ts';
import { type BucketRoute, linkStyleOf } from './route.ts';
import { sendLargeSiblings, sendLargeValue } from './send-large-value.ts';
import { multipartBoundary, siblingList, siblingMultipart } from './sibling-multipart.ts';

const plainText = 'text/plain';
const multipart = 'multipart/mixed';
/** A read gets the list of tags unless it asks for the values; a write that returns its result, the values. */
const offeredToRead = [plainText, multipart];
const offeredToWrite = [multipart, plainText];

export interface StoredObject {
  readonly context: Buffer;
  /** At least one. */
  readonly contents: readonly Content[];
}

export function storedObjectOf(object: VersionedObject): StoredObject {
  return { context: object.context, contents: object.contents() };
}

/** Whether links and user metadata fit into headers. They do unless they were stored before they were bounded. */
export function fitsHeaders(object: VersionedObject): boolean {
  // So short, it has not that many.
  if (object.sizeBytes <= contentEntriesMax) return true;
  return object.siblings.every(({ content }) => hasBoundedMetadata(content));
}

export function sendTooLongHeaders(exchange: HttpExchange, ...more: string[]): void {
  const text =
    'The object has more links or user metadata than headers hold. Read it over Protocol Buffers.\n';
  sendText(exchange, 500, text, ...more);
}

/** Of the only content, or of all siblings together. */
export function validatorsOf(stored: StoredObject): Validators {
  const [first] = stored.contents;
  if (stored.contents.length === 1) return contentValidators(first!);
  let seconds = 0;
  for (const content of stored.contents) seconds = Math.max(seconds, lastModifiedSeconds(content));
  return { entityTag: siblingsEntityTag(stored.context), lastModifiedSeconds: seconds };
}

export function contentValidators(content: Content): Validators {
  return {
    entityTag: headerValue(content.vtag ?? ''),
    lastModifiedSeconds: lastModifiedSeconds(content),
  };
}

export type AnyObjectRequest = Pick<HttpRequest<BucketRoute>, 'exchange' | 'services' | 'route' | 'headers'>;

/** Sends one value; `more` are headers to begin with. */
export function sendContent(
  request: AnyObjectRequest,
  status: 200 | 201,
  stored: StoredObject,
  content: Content,
  ...more: string[]
): void {
  const { exchange, route } = request;
  more.push('X-Riak-Vclock', formatContext(stored.context));
  const encoding = content.contentEncoding;
  // With a stored encoding there is one representation only.
  if (encoding === undefined || encoding === '') more.push('Vary', varyEncoding);
  more.push('Server', serverHeader);
  if (content.vtag !== undefined) more.push('ETag', `"${headerValue(content.vtag)}"`);
  pushContentHeaders(more, content, route.bucket, linkStyleOf(route.style));
  if (content.manifest === undefined) exchange.respond(status, more, content.value);
  else sendLargeValue(request, status, more, content.manifest);
}

export function isContentAcceptable(request: AnyObjectRequest, content: Content): boolean {
  return isAcceptable(request.headers.accept, contentTypeOf(content));
}

export type SiblingForm = 'text/plain' | 'multipart/mixed';

/** Undefined: the client takes neither. */
export function siblingFormFor(
  accept: string | undefined,
  purpose: 'read' | 'write',
): SiblingForm | undefined {
  const offered = purpose === 'read' ? offeredToRead : offeredToWrite;
  return negotiate(accept, offered) as SiblingForm | undefined;
}

export function sendSiblings(
  request: AnyObjectRequest,
  status: 201 | 300,
  stored: StoredObject,
  form: SiblingForm,
  ...more: string[]
): void {
  const { exchange, services, route } = request;
  const { entityTag, lastModifiedSeconds: seconds } = validatorsOf(stored);
  more.push('X-Riak-Vclock', formatContext(stored.context), 'Vary', varyBoth, 'Server', serverHeader);
  more.push('Last-Modified', formatHttpDate(seconds), 'ETag', `"${entityTag}"`);
  if (form === plainText) {
    more.push('Content-Type', plainText);
    exchange.respond(status, more, siblingList(stored.contents));
    return;
  }
  const boundary = multipartBoundary(services.random);
  more.push('Content-Type', `${multipart}; boundary=${boundary}`);
  if (stored.contents.some(({ manifest }) => manifest !== undefined)) {
    sendLargeSiblings(request, status, more, stored.contents, boundary);
    return;
  }
  exchange.respond(
    status,
    more,
    siblingMultipart(stored.contents, boundary, route.bucket, linkStyleOf(route.style)),
  );
}

export function sendNotAcceptable(request: AnyObjectRequest): void {
  sendPage(request.exchange, 406);
}
