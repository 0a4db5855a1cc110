/** The counters of Riak 1.4, in buckets of no type that have siblings: `/buckets/B/counters/K`, integers as text. */
import type { Buffer } from 'node:buffer';
import type { HttpExchange } from '../../environment/index.ts';
import type { CrdtValue, KvError } from '../../kv/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import { sendError } from './error-response.ts';
import { sendPage, sendText, serverHeader } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import type { Route } from './route.ts';
import { sendBodyRefusal } from './write-object.ts';

type CounterRequest = HttpRequest<Extract<Route, { readonly kind: 'counter' }>>;

/** An integer of 64 bits, with room around it. */
const bodyBytesMax = 1024;
const integer = /^\s*([+-]?\d{1,20})\s*$/;

/** Throws `QueryError`. */
export function readCounter({ exchange, services, route, query }: CounterRequest): void {
  const { datatypes } = services;
  if (datatypes === undefined) {
    sendPage(exchange, 404);
    return;
  }
  const { bucketType, bucket, key } = route;
  const fetch = {
    bucketType,
    bucket,
    key,
    isLegacyCounter: true,
    ...query.readOptions(),
  };
  datatypes.fetch(fetch, (result) => {
    if (result.kind === 'failed') sendFailure(exchange, result.error);
    else if (result.kind === 'notfound') sendText(exchange, 404, 'not found\n');
    else sendCount(exchange, result.value);
  });
}

/** Throws `QueryError`. */
export function changeCounter({ exchange, services, route, query }: CounterRequest): void {
  const { datatypes, store } = services;
  if (datatypes === undefined) {
    sendPage(exchange, 404);
    return;
  }
  const { bucketType, bucket, key } = route;
  const options = {
    bucketType,
    bucket,
    key,
    isLegacyCounter: true,
    ...query.writeOptions(),
    returnValue: query.text('returnvalue') === byteLiteral('true'),
  };
  if (store.properties(route)?.allow_mult === false) {
    sendFailure(exchange, { code: 'needs_allow_mult' });
    return;
  }
  exchange.readBody(bodyBytesMax, (body) => {
    if (body.kind !== 'complete') {
      sendBodyRefusal(exchange, body);
      return;
    }
    const increment = incrementOf(body.bytes);
    if (increment === undefined) {
      sendPage(exchange, 400);
      return;
    }
    datatypes.update({ ...options, operation: { kind: 'counter', increment } }, (outcome) => {
      if (outcome.kind === 'failed') sendFailure(exchange, outcome.error);
      else if (outcome.snapshot !== undefined) sendCount(exchange, outcome.snapshot.value);
      else exchange.respond(204, ['Server', serverHeader, 'Content-Type', 'text/plain']);
    });
  });
}

function incrementOf(body: Buffer): bigint | undefined {
  const digits = integer.exec(body.toString('latin1'))?.[1];
  return digits === undefined ? undefined : BigInt(digits.replace('+', ''));
}

function sendCount(exchange: HttpExchange, count: CrdtValue): void {
  assert(count.type === 'counter', 'a counter is asked for');
  sendText(exchange, 200, String(count.value));
}

function sendFailure(exchange: HttpExchange, error: KvError): void {
  if (error.code === 'needs_allow_mult') {
    sendText(exchange, 409, "Counters require bucket property 'allow_mult=true'");
  } else sendError(exchange, error);
}
