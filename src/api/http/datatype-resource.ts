/** Data types: `/types/T/buckets/B/datatypes/K`, and without K for a key of the store's making. */
import { Buffer } from 'node:buffer';
import type { HttpExchange } from '../../environment/index.ts';
import type {
  CrdtType,
  DatatypeFetchResult,
  DatatypeSnapshot,
  Datatypes,
  DatatypeUpdateOutcome,
  KvError,
} from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { isAcceptable, mediaTypeOf } from './content-negotiation.ts';
import { type JsonUpdate, jsonOfValue, NotTextError, OperationError, updateOfJson } from './datatype-json.ts';
import { sendError } from './error-response.ts';
import { sendNoContent, sendPage, sendText, serverHeader, varyEncoding } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import { JsonError, parseJson } from './ordered-json.ts';
import { percentEncode } from './percent-encoding.ts';
import { objectPath, type Route } from './route.ts';
import { sendBodyRefusal } from './write-object.ts';

type DatatypeRequest = HttpRequest<Extract<Route, { readonly kind: 'datatype' }>>;

const json = 'application/json';
const defaultType: string = byteLiteral('default');

/** Throws `QueryError`. */
export function fetchDatatype(request: DatatypeRequest): void {
  const { exchange, route, query, headers } = request;
  const known = checkBucket(request);
  if (known === undefined) return;
  const { key } = route;
  if (key === undefined) {
    sendPage(exchange, 404);
    return;
  }
  if (!isAcceptable(headers.accept, json)) {
    sendPage(exchange, 406);
    return;
  }
  const { bucketType, bucket } = route;
  const fetch = {
    bucketType,
    bucket,
    key,
    ...query.readOptions(),
  };
  const wantsContext = query.flag('include_context') !== false;
  known.datatypes.fetch(fetch, (result) => sendFetched(exchange, result, wantsContext));
}

/** Throws `QueryError`. */
export function updateDatatype(request: DatatypeRequest): void {
  const { exchange, route, query, headers } = request;
  const known = checkBucket(request);
  if (known === undefined) return;
  if (mediaTypeOf(headers.contentType ?? '') !== json) {
    sendPage(exchange, 406);
    return;
  }
  const { bucketType, bucket, key } = route;
  const options = {
    bucketType,
    bucket,
    key,
    ...query.writeOptions(),
    returnValue: query.text('returnbody') === byteLiteral('true'),
  };
  const wantsContext = query.flag('include_context') !== false;
  exchange.readBody(known.datatypes.requestBytesMax, (body) => {
    if (body.kind !== 'complete') {
      sendBodyRefusal(exchange, body);
      return;
    }
    const update = readUpdate(known.type, body.bytes);
    if (typeof update === 'string') sendRefusal(exchange, 400, update);
    else {
      known.datatypes.update({ ...options, ...update }, (outcome) =>
        sendUpdated(request, outcome, wantsContext),
      );
    }
  });
}

/** Undefined: there is no such resource, which has been answered. */
function checkBucket({
  exchange,
  services,
  route,
}: DatatypeRequest): { readonly type: CrdtType; readonly datatypes: Datatypes } | undefined {
  const { datatypes } = services;
  const { bucketType, bucket, key } = route;
  if (datatypes === undefined) {
    sendPage(exchange, 404);
    return undefined;
  }
  if (bucketType === defaultType) {
    const counter = `/buckets/${percentEncode(bucket)}/counters/${percentEncode(key ?? byteLiteral(''))}`;
    const text = 'Counters in the default bucket-type should use the legacy URL';
    sendText(exchange, 301, text, 'Location', counter);
    return undefined;
  }
  const type = datatypes.typeOf(route);
  if (typeof type === 'string') return { type, datatypes };
  sendError(exchange, type);
  return undefined;
}

/** A string is the text of a 400. */
function readUpdate(type: CrdtType, body: Buffer): JsonUpdate | string {
  try {
    return updateOfJson(type, parseJson(body));
  } catch (error) {
    if (error instanceof OperationError) return error.message;
    if (!(error instanceof JsonError)) throw error;
    const isText = error.message !== 'invalid UTF-8';
    return isText ? `Couldn't decode JSON: ${error.message}\n` : 'Malformed JSON submitted, invalid UTF-8';
  }
}

function sendFetched(exchange: HttpExchange, result: DatatypeFetchResult, wantsContext: boolean): void {
  if (result.kind === 'failed') sendFailure(exchange, result.error);
  else if (result.kind === 'found') sendSnapshot(exchange, 200, result, wantsContext);
  else {
    const deleted = result.isDeleted ? ['X-Riak-Deleted', 'true'] : [];
    sendJsonText(exchange, 404, `{"type":"${result.type}","error":"notfound"}`, ...deleted);
  }
}

function sendUpdated(request: DatatypeRequest, outcome: DatatypeUpdateOutcome, wantsContext: boolean): void {
  const { exchange, route } = request;
  if (outcome.kind === 'failed') {
    sendFailure(exchange, outcome.error);
    return;
  }
  const { snapshot, generatedKey } = outcome;
  const location =
    generatedKey === undefined ? [] : ['Location', objectPath(route, generatedKey, percentEncode)];
  const status = generatedKey === undefined ? 200 : 201;
  if (snapshot !== undefined) sendSnapshot(exchange, status, snapshot, wantsContext, ...location);
  else if (generatedKey === undefined) sendNoContent(exchange, json);
  else sendJsonText(exchange, status, '', ...location);
}

function sendSnapshot(
  exchange: HttpExchange,
  status: number,
  { value, context }: DatatypeSnapshot,
  wantsContext: boolean,
  ...more: string[]
): void {
  try {
    sendJsonText(exchange, status, jsonOfValue(value, wantsContext ? context : undefined), ...more);
  } catch (error) {
    if (!(error instanceof NotTextError)) throw error;
    sendText(exchange, 406, `JSON cannot show it: ${error.message}. Protocol Buffers can.\n`);
  }
}

function sendFailure(exchange: HttpExchange, error: KvError): void {
  if (error.code === 'bad_context') {
    sendRefusal(exchange, 400, 'The context is not one that this database issued.\n');
  } else sendError(exchange, error);
}

function sendRefusal(exchange: HttpExchange, status: number, text: string): void {
  sendText(exchange, status, text, 'Vary', varyEncoding);
}

function sendJsonText(exchange: HttpExchange, status: number, text: string, ...more: string[]): void {
  const headers = ['Vary', varyEncoding, 'Server', serverHeader, ...more, 'Content-Type', json];
  exchange.respond(status, headers, Buffer.from(text));
}
