/** Properties of a bucket: GET, PUT, DELETE; of a bucket type: GET, PUT. */
import type { Buffer } from 'node:buffer';
import {
  type BucketAddress,
  type BucketProperties,
  type BucketPropertyChanges,
  type BucketTypeRefusal,
  type JsonValue,
  KvFailure,
  parsePropertyChanges,
  propertiesToJson,
} from '../../kv/index.ts';
import { type ByteString, byteLiteral, jsonNestingOf, textOfBytes } from '../../stdx/index.ts';
import { mediaTypeOf } from './content-negotiation.ts';
import { sendError } from './error-response.ts';
import { sendJson, sendNoContent, sendPage, sendText, varyEncoding } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import type { BucketRoute, Route } from './route.ts';
import { sendBodyRefusal } from './write-object.ts';

const bodyBytesMax = 256 * 1024;
/** Deeper values would be stored and could then not be printed. */
const nestingMax = 64;
const defaultType = byteLiteral('default');
const wrongForm = 'bucket PUT must be a JSON object of the form:\n{"props":{...bucket properties...}}\n';

type TypeRoute = Extract<Route, { readonly kind: 'type_properties' }>;

export function readProperties({ exchange, services, route }: HttpRequest<BucketRoute>): void {
  const properties = services.store.properties(route);
  if (properties === undefined) {
    sendPage(exchange, 404, 'Vary', varyEncoding);
    return;
  }
  sendJson(exchange, 200, { props: shown(route.bucketType, properties, textOfBytes(route.bucket)) });
}

/** The properties of a bucket that has none of its own: no bucket has the empty name. */
export function readTypeProperties({ exchange, services, route }: HttpRequest<TypeRoute>): void {
  const properties = services.store.properties({ bucketType: route.bucketType, bucket: byteLiteral('') });
  if (properties === undefined) {
    sendPage(exchange, 404, 'Vary', varyEncoding);
    return;
  }
  sendJson(exchange, 200, { props: shown(route.bucketType, properties) });
}

/** Of active types alone, and not of the untyped namespace. */
export function writeTypeProperties(request: HttpRequest<TypeRoute>): void {
  const { exchange, services, route } = request;
  const { bucketType } = route;
  if (services.store.properties({ bucketType, bucket: byteLiteral('') }) === undefined) {
    sendUnknownType(exchange, bucketType);
    return;
  }
  if (bucketType === defaultType) {
    sendText(exchange, 403, 'The properties of this bucket type cannot be modified.\n');
    return;
  }
  readChanges(request, (changes) => {
    services.tasks.spawn('http set type properties', async () => {
      await answerChange(exchange, async () => {
        const refusal = await services.store.setTypeProperties(bucketType, changes);
        if (refusal === undefined) sendNoContent(exchange, 'application/json');
        else sendTypeRefusal(exchange, bucketType, refusal);
      });
    });
  });
}

export function writeProperties(request: HttpRequest<BucketRoute>): void {
  const { exchange, services, route } = request;
  readChanges(request, (changes) => {
    services.tasks.spawn('http set properties', () =>
      answerChange(exchange, async () => {
        await services.store.setProperties(addressOf(route), changes);
        sendNoContent(exchange, 'application/json');
      }),
    );
  });
}

export function resetProperties({ exchange, services, route }: HttpRequest<BucketRoute>): void {
  services.tasks.spawn('http reset properties', () =>
    answerChange(exchange, async () => {
      await services.store.resetProperties(addressOf(route));
      sendNoContent(exchange, 'application/json');
    }),
  );
}

/** Riak's programs look for `active` in what a type gives. */
function shown(
  bucketType: ByteString,
  properties: BucketProperties,
  name?: string,
): Record<string, JsonValue> {
  const json = propertiesToJson(properties, name);
  return bucketType === defaultType ? json : { ...json, active: true };
}

function sendTypeRefusal(
  exchange: HttpRequest<TypeRoute>['exchange'],
  bucketType: ByteString,
  refusal: BucketTypeRefusal,
): void {
  if (refusal.reason !== 'invalid_properties') sendUnknownType(exchange, bucketType);
  else sendError(exchange, { code: 'invalid_properties', problems: refusal.problems });
}

function sendUnknownType(exchange: HttpRequest<TypeRoute>['exchange'], bucketType: ByteString): void {
  sendText(exchange, 404, `Cannot modify unknown bucket type: ${textOfBytes(bucketType)}\n`);
}

function readChanges(
  { exchange, headers }: Pick<HttpRequest<Route>, 'exchange' | 'headers'>,
  change: (changes: BucketPropertyChanges) => void,
): void {
  if (mediaTypeOf(headers.contentType ?? '') !== 'application/json') {
    sendPage(exchange, 415, 'Vary', varyEncoding);
    return;
  }
  exchange.readBody(bodyBytesMax, (body) => {
    if (body.kind !== 'complete') return sendBodyRefusal(exchange, body);
    const json = parsePropertiesBody(body.bytes);
    if (json === undefined) return sendText(exchange, 400, wrongForm);
    const parsed = parsePropertyChanges(json);
    if ('problems' in parsed) {
      return sendError(exchange, { code: 'invalid_properties', problems: parsed.problems });
    }
    change(parsed.changes);
  });
}

/** The value of the member `props`; undefined if there is no such object. */
function parsePropertiesBody(bytes: Buffer): { readonly [name: string]: JsonValue } | undefined {
  const text = bytes.toString('utf8');
  if (jsonNestingOf(text) > nestingMax) return undefined;
  let parsed: JsonValue;
  try {
    parsed = JSON.parse(text) as JsonValue;
  } catch {
    return undefined; // Not JSON: the caller answers with the form that is wanted.
  }
  if (!isObject(parsed) || !Object.hasOwn(parsed, 'props')) return undefined;
  const props = parsed.props!;
  return isObject(props) ? props : undefined;
}

/** `change` answers if it succeeds. */
async function answerChange(
  exchange: HttpRequest<Route>['exchange'],
  change: () => Promise<void>,
): Promise<void> {
  try {
    await change();
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    sendError(exchange, error.error);
  }
}

function addressOf({ bucketType, bucket }: BucketRoute): BucketAddress {
  return { bucketType, bucket };
}

function isObject(value: JsonValue): value is { readonly [name: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
