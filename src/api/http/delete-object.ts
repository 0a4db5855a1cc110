/** DELETE of an object. */
import type { DeleteRequest } from '../../kv/index.ts';
import { unreachable } from '../../stdx/index.ts';
import { ContextHeaderError, parseContext } from './context-header.ts';
import { sendError } from './error-response.ts';
import { sendNoContent, sendText, varyEncoding } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import type { ObjectRoute } from './read-object.ts';
import { checkByReading, createsOnly, needsReadBeforePut } from './write-conditions.ts';

/** Throws `QueryError`. */
export function deleteObject(request: HttpRequest<ObjectRoute>): void {
  let deletion: DeleteRequest;
  try {
    deletion = deleteRequestOf(request);
  } catch (error) {
    if (error instanceof ContextHeaderError) {
      sendText(request.exchange, 400, error.message);
      return;
    }
    throw error;
  }
  const { headers } = request;
  if (createsOnly(headers) || needsReadBeforePut(headers)) {
    checkByReading(request, () => remove(request, deletion));
  } else remove(request, deletion);
}

function deleteRequestOf({ route, query, headers }: HttpRequest<ObjectRoute>): DeleteRequest {
  const { bucketType, bucket, key } = route;
  const context = headers.vclock === undefined ? undefined : parseContext(headers.vclock);
  return {
    bucketType,
    bucket,
    key,
    context,
    rw: query.quorum('rw'),
    r: query.quorum('r'),
    w: query.quorum('w'),
    pr: query.quorum('pr'),
    pw: query.quorum('pw'),
    dw: query.quorum('dw'),
    nodeConfirms: query.quorum('node_confirms'),
    timeoutMs: query.timeoutMs(),
  };
}

function remove({ exchange, services }: HttpRequest<ObjectRoute>, deletion: DeleteRequest): void {
  services.store.delete(deletion, (result) => {
    switch (result.kind) {
      case 'deleted':
        return sendNoContent(exchange, 'text/html');
      case 'notfound':
        return sendText(exchange, 404, 'not found\n', 'Vary', varyEncoding);
      case 'failed':
        return sendError(exchange, result.error);
      default:
        return unreachable(result);
    }
  });
}
