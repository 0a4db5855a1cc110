/** Properties of a bucket: GET, PUT, DELETE; of a bucket type: GET. */
import type { Buffer } from 'node:buffer';
import {
  type BucketAddress,
  type JsonValue,
  KvFailure,
  parsePropertyChanges,
  propertiesToJson,
} from '../../kv/index.ts';
import { byteLiteral, textOfBytes } from '../../stdx/index.ts';
import { mediaTypeOf } from './content-negotiation.ts';
import { sendError } from './error-response.ts';
import { sendJson, sendNoContent, sendPage, sendText, varyEncoding } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import type { BucketRoute, Route } from './route.ts';
import { sendBodyRefusal } from './write-object.ts';

const bodyBytesMax = 256 * 1024;
/** Deeper values would be stored and could then not be printed. */
const nestingMax = 64;
const wrongForm = 'bucket PUT must be a JSON object of the form:\n{"props":{...bucket properties...}}\n';

type TypeRoute = Extract<Route, { readonly kind: 'type_properties' }>;

export function readProperties({ exchange, services, route }: HttpRequest<BucketRoute>): void {
  const properties = services.store.properties(route);
  if (properties === undefined) {
    sendPage(exchange, 404, 'Vary', varyEncoding);
    return;
  }
  sendJson(exchange, 200, { props: propertiesToJson(properties, textOfBytes(route.bucket)) });
}

/** The properties of a bucket that has none of its own: no bucket has the empty name. */
export function readTypeProperties({ exchange, services, route }: HttpRequest<TypeRoute>): void {
  const properties = services.store.properties({ bucketType: route.bucketType, bucket: byteLiteral('') });
  if (properties === undefined) {
    sendPage(exchange, 404, 'Vary', varyEncoding);
    return;
  }
  sendJson(exchange, 200, { props: propertiesToJson(properties) });
}

export function refuseTypeProperties({ exchange, services, route }: HttpRequest<TypeRoute>): void {
  const address = { bucketType: route.bucketType, bucket: byteLiteral('') };
  if (services.store.properties(address) === undefined) {
    sendText(exchange, 404, `Cannot modify unknown bucket type: ${route.bucketType}\n`);
    return;
  }
  sendText(exchange, 403, 'The properties of this bucket type cannot be modified.\n');
}

export function writeProperties({ exchange, services, route, headers }: HttpRequest<BucketRoute>): void {
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
    applyChange({ exchange, services }, 'http set properties', () =>
      services.store.setProperties(addressOf(route), parsed.changes),
    );
  });
}

export function resetProperties({ exchange, services, route }: HttpRequest<BucketRoute>): void {
  applyChange({ exchange, services }, 'http reset properties', () =>
    services.store.resetProperties(addressOf(route)),
  );
}

/** The value of the member `props`; undefined if there is no such object. */
export function parsePropertiesBody(bytes: Buffer): { readonly [name: string]: JsonValue } | undefined {
  if (nestingOf(bytes) > nestingMax) return undefined;
  let parsed: JsonValue;
  try {
    parsed = JSON.parse(bytes.toString('utf8')) as JsonValue;
  } catch {
    return undefined; // Not JSON: the caller answers with the form that is wanted.
  }
  if (!isObject(parsed) || !Object.hasOwn(parsed, 'props')) return undefined;
  const props = parsed.props!;
  return isObject(props) ? props : undefined;
}

function applyChange(
  { exchange, services }: Pick<HttpRequest<Route>, 'exchange' | 'services'>,
  task: string,
  change: () => Promise<void>,
): void {
  services.tasks.spawn(task, async () => {
    try {
      await change();
    } catch (error) {
      if (!(error instanceof KvFailure)) throw error;
      return sendError(exchange, error.error);
    }
    sendNoContent(exchange, 'application/json');
  });
}

function addressOf({ bucketType, bucket }: BucketRoute): BucketAddress {
  return { bucketType, bucket };
}

function isObject(value: JsonValue): value is { readonly [name: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** How deep brackets go, outside of strings; of text that is no JSON, any number. */
function nestingOf(bytes: Buffer): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!;
    if (byte === 0x22) inString = !inString;
    else if (inString) {
      if (byte === 0x5c) at += 1;
    } else if (byte === 0x5b || byte === 0x7b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
  }
  return deepest;
}
