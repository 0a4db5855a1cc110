/**
 * Conditions of PUT, POST and DELETE. Two of them the store itself checks where it writes
 * (`If-None-Match: *` and `X-Riak-If-Not-Modified`), so they are as strong as the store makes them. The
 * others compare entity tags and dates, which the store does not know: they are read before the write,
 * and another writer may come between, unless the bucket has its conditional writes serialised: then the write is to
 * take the place of just what was read.
 */
import type { GetResult, PutRequest } from '../../kv/index.ts';
import { sendError } from './error-response.ts';
import { sendPage, varyEncoding } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import { storedObjectOf, validatorsOf } from './object-representation.ts';
import { checkWrite } from './preconditions.ts';
import { getRequestOf, type ObjectRoute } from './read-object.ts';
import type { RequestHeaders } from './request-headers.ts';

/** Calls `proceed` if the conditions hold; else the answer has been sent. Throws `QueryError`. */
export function checkByReading(
  request: HttpRequest<ObjectRoute>,
  proceed: (unchanged: UnchangedSince) => void,
): void {
  const { exchange, services, headers } = request;
  services.store.get(getRequestOf(request.route, request.query), (result) => {
    if (result.kind === 'failed') return sendError(exchange, result.error);
    const stored = result.kind === 'found' ? validatorsOf(storedObjectOf(result.object)) : undefined;
    if (checkWrite(headers, stored) === 'proceed') proceed(unchangedSince(request, result));
    else sendPage(exchange, 412, 'Vary', varyEncoding);
  });
}

/** What the store is to check of what was read. */
type UnchangedSince = Pick<PutRequest, 'context' | 'ifNotModified' | 'ifNoneMatch'>;

function unchangedSince({ services, route }: HttpRequest<ObjectRoute>, read: GetResult): UnchangedSince {
  if (services.store.properties(route)?.conditional !== 'serialised') return {};
  return read.kind === 'found'
    ? { context: read.object.context, ifNotModified: true }
    : { ifNoneMatch: true };
}

export function createsOnly(headers: RequestHeaders): boolean {
  return headers.ifNoneMatch === '*';
}

/** There is a condition that the store cannot check in the act of a put. */
export function needsReadBeforePut(headers: RequestHeaders): boolean {
  const { ifMatch, ifNoneMatch, ifUnmodifiedSince } = headers;
  return (
    ifMatch !== undefined ||
    ifUnmodifiedSince !== undefined ||
    (ifNoneMatch !== undefined && ifNoneMatch !== '*')
  );
}
