/** GET and HEAD of an object. */
import type { GetRequest, GetResult } from '../../kv/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { Content } from '../../wire/index.ts';
import { formatContext } from './context-header.ts';
import { sendError } from './error-response.ts';
import { sendPage, sendText, serverHeader, varyBoth, varyEncoding } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import {
  contentValidators,
  fitsHeaders,
  isContentAcceptable,
  type StoredObject,
  sendContent,
  sendNotAcceptable,
  sendSiblings,
  sendTooLongHeaders,
  siblingFormFor,
  storedObjectOf,
  validatorsOf,
} from './object-representation.ts';
import { checkRead, type Validators } from './preconditions.ts';
import type { QueryParameters } from './query-parameters.ts';
import type { Route } from './route.ts';

export type ObjectRoute = Extract<Route, { readonly kind: 'object' }>;

export function readObject(request: HttpRequest<ObjectRoute>): void {
  const { services, route, query } = request;
  services.store.get(getRequestOf(route, query), (result) => {
    sendRead(request, result);
  });
}

/** Of who sends large values in pieces, or none. Throws `QueryError`. */
export function getRequestOf(route: ObjectRoute, query: QueryParameters): GetRequest {
  const { bucketType, bucket, key } = route;
  if (query.isEmpty) return { bucketType, bucket, key, leaveChunks: true };
  return {
    bucketType,
    bucket,
    key,
    leaveChunks: true,
    ...query.readOptions(),
  };
}

function sendRead(request: HttpRequest<ObjectRoute>, result: GetResult): void {
  switch (result.kind) {
    case 'found':
      if (fitsHeaders(result.object)) sendFound(request, storedObjectOf(result.object));
      // It can be replaced and deleted all the same.
      else sendTooLongHeaders(request.exchange, 'X-Riak-Vclock', formatContext(result.object.context));
      return;
    case 'notfound': {
      if (result.tombstone === undefined) {
        sendText(request.exchange, 404, 'not found\n');
        return;
      }
      const context = formatContext(storedObjectOf(result.tombstone).context);
      sendText(request.exchange, 404, 'not found\n', 'X-Riak-Vclock', context, 'X-Riak-Deleted', 'true');
      return;
    }
    case 'failed':
      sendError(request.exchange, result.error);
      return;
    case 'unchanged':
      throw new Error('a read without ifModified cannot be unchanged');
    default:
      unreachable(result);
      return;
  }
}

function sendFound(request: HttpRequest<ObjectRoute>, stored: StoredObject): void {
  const { contents } = stored;
  if (contents.length === 1) {
    sendOne(request, stored, contents[0]!);
    return;
  }
  const vtag = request.query.text('vtag');
  if (vtag !== undefined) {
    const chosen = contents.find((content) => content.vtag === vtag);
    if (chosen === undefined) {
      sendPage(request.exchange, 404, 'Vary', varyBoth);
      return;
    }
    sendOne(request, stored, chosen);
    return;
  }
  const form = siblingFormFor(request.headers.accept, 'read');
  if (form === undefined) {
    sendNotAcceptable(request);
    return;
  }
  if (meetsConditions(request, validatorsOf(stored), varyBoth)) sendSiblings(request, 300, stored, form);
}

function sendOne(request: HttpRequest<ObjectRoute>, stored: StoredObject, content: Content): void {
  if (!isContentAcceptable(request, content)) {
    sendNotAcceptable(request);
    return;
  }
  if (meetsConditions(request, contentValidators(content), varyEncoding)) {
    sendContent(request, 200, stored, content);
  }
}

/** If not, the answer has been sent. */
function meetsConditions(request: HttpRequest<ObjectRoute>, validators: Validators, vary: string): boolean {
  const verdict = checkRead(request.headers, validators);
  if (verdict === 'failed') sendPage(request.exchange, 412, 'Vary', vary);
  else if (verdict === 'not_modified') {
    const entityTag = `"${validators.entityTag}"`;
    request.exchange.respond(304, ['Vary', vary, 'Server', serverHeader, 'ETag', entityTag]);
  }
  return verdict === 'proceed';
}
