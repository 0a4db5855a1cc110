/** The HTTP API: from a request to the resource that answers it. */
import type { HttpExchange, HttpHandler } from '../../environment/index.ts';
import { KvFailure } from '../../kv/index.ts';
import { unreachable } from '../../stdx/index.ts';
import {
  readProperties,
  readTypeProperties,
  resetProperties,
  writeProperties,
  writeTypeProperties,
} from './bucket-properties-resource.ts';
import { changeCounter, readCounter } from './counter-resource.ts';
import { fetchDatatype, updateDatatype } from './datatype-resource.ts';
import { deleteObject } from './delete-object.ts';
import { sendError } from './error-response.ts';
import { followBucket, watchKey } from './feed-resource.ts';
import { sendMethodNotAllowed, sendOverload, sendPage, sendText } from './http-response.ts';
import type { HttpRequest, HttpServices } from './http-services.ts';
import { runMapReduce, showMapReduceUsage } from './map-reduce-resource.ts';
import { listBuckets, listKeys, readLegacyBucket } from './name-resources.ts';
import { ping, readIndex, readStats } from './node-resources.ts';
import { queryIndex } from './query-index.ts';
import { QueryError } from './query-parameters.ts';
import { type ObjectRoute, readObject } from './read-object.ts';
import { readPreflist } from './read-preflist.ts';
import { readRequestHeaders } from './request-headers.ts';
import { isForeignOrigin, isForeignReferer, isLoopback } from './request-origin.ts';
import { parseRequestTarget } from './request-target.ts';
import { type Route, routeOf } from './route.ts';
import { touchLinkWalk, walkLinks } from './walk-links.ts';
import { writeObject } from './write-object.ts';

/** The handler for an `HttpServer`. */
export function createHttpHandler(services: HttpServices): HttpHandler {
  return (exchange) => handleHttp(exchange, services);
}

/** Answers one request: perhaps before it returns, perhaps later; always once. */
export function handleHttp(exchange: HttpExchange, services: HttpServices): void {
  const target = parseRequestTarget(exchange.target);
  if (target === undefined) {
    sendPage(exchange, 404);
    return;
  }
  const headers = readRequestHeaders(exchange.headers);
  if (headers.origin === 'null' || isForeignReferer(headers)) {
    sendText(exchange, 403, 'Requests made by pages of other sites are refused.\n');
    return;
  }
  const route = routeOf(target.segments);
  try {
    dispatch({ exchange, services, route, query: target.query, headers });
  } catch (error) {
    // A resource throws before it has begun to answer, or not at all.
    if (error instanceof QueryError) sendText(exchange, 400, error.message);
    else if (error instanceof KvFailure) sendError(exchange, error.error);
    else throw error;
  }
}

function dispatch(request: HttpRequest<Route>): void {
  const { exchange, route } = request;
  switch (route.kind) {
    case 'object':
      dispatchObject({ ...request, route });
      return;
    case 'keys':
      dispatchMethod(exchange, {
        read: () => listKeys({ ...request, route }),
        post: () => writeObject({ ...request, route }),
      });
      return;
    case 'buckets':
      dispatchMethod(exchange, { read: () => listBuckets({ ...request, route }) });
      return;
    case 'index_query':
      dispatchMethod(exchange, { read: () => queryIndex({ ...request, route }) });
      return;
    case 'bucket_properties':
      dispatchMethod(exchange, {
        read: () => readProperties({ ...request, route }),
        put: () => writeProperties({ ...request, route }),
        delete: () => resetProperties({ ...request, route }),
      });
      return;
    case 'type_properties':
      dispatchMethod(exchange, {
        read: () => readTypeProperties({ ...request, route }),
        put: () => writeTypeProperties({ ...request, route }),
      });
      return;
    case 'legacy_bucket':
      dispatchMethod(exchange, {
        read: () => readLegacyBucket({ ...request, route }),
        put: () => writeProperties({ ...request, route }),
        post: () => writeObject({ ...request, route }),
      });
      return;
    case 'preflist':
      dispatchMethod(exchange, { read: () => readPreflist({ ...request, route }) });
      return;
    case 'link_walk':
      dispatchMethod(exchange, {
        read: () => walkLinks({ ...request, route }),
        post: () => touchLinkWalk({ ...request, route }),
      });
      return;
    case 'datatype':
      dispatchMethod(exchange, {
        read: () => fetchDatatype({ ...request, route }),
        post: () => updateDatatype({ ...request, route }),
      });
      return;
    case 'counter':
      dispatchMethod(exchange, {
        read: () => readCounter({ ...request, route }),
        post: () => changeCounter({ ...request, route }),
      });
      return;
    case 'feed':
      dispatchMethod(exchange, { read: () => followBucket({ ...request, route }) });
      return;
    case 'watch':
      dispatchMethod(exchange, { read: () => watchKey({ ...request, route }) });
      return;
    case 'ping':
      dispatchMethod(exchange, { read: () => ping(exchange) });
      return;
    case 'stats':
      dispatchMethod(exchange, { read: () => readStats(request) });
      return;
    case 'map_reduce':
      dispatchMethod(exchange, {
        read: () => showMapReduceUsage(request),
        post: () => runMapReduce(request),
      });
      return;
    case 'index':
      dispatchMethod(exchange, { read: () => readIndex(request) });
      return;
    case 'admin':
      administer(request);
      return;
    case 'missing_feature':
      sendText(exchange, 501, `${route.feature} is not available in this version.\n`);
      return;
    case 'unknown':
      sendPage(exchange, 404);
      return;
    default:
      unreachable(route);
      return;
  }
}

/** Objects carry almost all of the traffic: no closures here. */
function dispatchObject(request: HttpRequest<ObjectRoute>): void {
  switch (request.exchange.method) {
    case 'GET':
    case 'HEAD':
      if (isTaken(request, 'read')) readObject(request);
      return;
    case 'PUT':
    case 'POST':
      if (isTaken(request, 'write')) writeObject(request);
      return;
    case 'DELETE':
      if (isTaken(request, 'write')) deleteObject(request);
      return;
    default:
      sendMethodNotAllowed(request.exchange, 'HEAD, GET, POST, PUT, DELETE');
      return;
  }
}

/** Asked before the body is read, and anything else is done: what a node with too much to do does the most is refusing. */
function isTaken({ exchange, services }: HttpRequest<ObjectRoute>, work: 'read' | 'write'): boolean {
  if (services.store.refuses?.(work) !== true) return true;
  sendOverload(exchange);
  return false;
}

interface Methods {
  /** GET, and HEAD, whose body the server leaves out. */
  readonly read: () => void;
  readonly put?: () => void;
  readonly post?: () => void;
  readonly delete?: () => void;
}

function dispatchMethod(exchange: HttpExchange, methods: Methods): void {
  const chosen = methodOf(exchange.method, methods);
  if (chosen !== undefined) {
    chosen();
    return;
  }
  const allowed = ['GET', 'HEAD'];
  if (methods.put !== undefined) allowed.push('PUT');
  if (methods.post !== undefined) allowed.push('POST');
  if (methods.delete !== undefined) allowed.push('DELETE');
  sendMethodNotAllowed(exchange, allowed.join(', '));
}

function methodOf(method: string, methods: Methods): (() => void) | undefined {
  switch (method) {
    case 'GET':
    case 'HEAD':
      return methods.read;
    case 'PUT':
      return methods.put;
    case 'POST':
      return methods.post;
    case 'DELETE':
      return methods.delete;
    default:
      return undefined;
  }
}

/** Without users and passwords, whoever is on this machine may administer it, and nobody else. */
function administer({ exchange, services, headers }: HttpRequest<Route>): void {
  if (!isLoopback(exchange.remote.host) || isForeignOrigin(headers)) {
    sendText(exchange, 403, 'Administration is open to this machine only.\n');
    return;
  }
  if (services.admin === undefined) sendPage(exchange, 404);
  else services.admin(exchange);
}
