/**
 * `/buckets/B/index/FIELD/TERM[/TERM]`: the keys, or terms and keys, of a secondary index.
 *
 * Terms and keys are bytes, JSON is text: bytes that are not UTF-8 show as U+FFFD. Over Protocol Buffers they come as
 * they are.
 */
import type { HttpExchange } from '../../environment/index.ts';
import {
  bucketField,
  type IndexEntry,
  type IndexQuerying,
  type IndexRequest,
  type IndexResults,
  type KvError,
  KvFailure,
  keyField,
} from '../../kv/index.ts';
import { byteLiteral, textOfBytes } from '../../stdx/index.ts';
import { sendError } from './error-response.ts';
import { sendJson, sendText, serverHeader, varyEncoding } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import { PacedWriter } from './paced-writer.ts';
import { QueryError, type QueryParameters } from './query-parameters.ts';
import type { Route } from './route.ts';
import { multipartBoundary } from './sibling-multipart.ts';

type IndexRoute = Extract<Route, { readonly kind: 'index_query' }>;

/** An answer in one piece may be so long; a longer one leaves in chunks, and can then be cut off but not turn into an error. */
const bufferedBytesMax = 256 * 1024;
const maxResultsDigitsMax = 15;

/** Throws `QueryError` and `KvFailure`. */
export function queryIndex(request: HttpRequest<IndexRoute>): void {
  const { exchange, services, route, query } = request;
  const { indexes, tasks, random } = services;
  if (indexes === undefined) {
    sendText(exchange, 501, 'Querying secondary indexes is not available here.\n');
    return;
  }
  const asked = requestOf(route, query);
  if (flagOf(query, 'count')) {
    tasks.spawn('http count', () => sendCount(exchange, indexes, asked));
    return;
  }
  const showsTerms = flagOf(query, 'return_terms') && asked.range.kind !== 'equal' && !isOfKeys(asked);
  const isStreamed = flagOf(query, 'stream');
  const results = indexes.query(asked);
  const shape = showsTerms ? termsShape : keysShape;
  tasks.spawn('http index', () =>
    isStreamed
      ? streamResults(exchange, results, shape, multipartBoundary(random))
      : sendResults(exchange, results, shape),
  );
}

function requestOf({ bucketType, bucket, field, terms }: IndexRoute, query: QueryParameters): IndexRequest {
  const [first, last, ...more] = terms;
  if (first === undefined || more.length > 0) {
    throw new QueryError('Invalid query. An index is asked for one term, or for a range between two.');
  }
  flagOf(query, 'pagination_sort');
  const maxResults = maxResultsOf(query);
  const continuation = query.text('continuation');
  const termPattern = query.text('term_regex');
  const timeoutMs = timeoutOf(query);
  return {
    bucketType,
    bucket,
    field,
    range: last === undefined ? { kind: 'equal', term: first } : { kind: 'between', from: first, to: last },
    ...(maxResults === undefined ? {} : { maxResults }),
    ...(continuation === undefined || continuation === '' ? {} : { continuation }),
    ...(termPattern === undefined ? {} : { termPattern }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

function isOfKeys({ field }: IndexRequest): boolean {
  const name = byteLiteral(field.toLowerCase());
  return name === keyField || name === bucketField;
}

function flagOf(query: QueryParameters, name: string): boolean {
  const text: string | undefined = query.text(name);
  if (text === undefined || text.toLowerCase() === 'false') return false;
  if (text.toLowerCase() === 'true') return true;
  throw new QueryError(`Invalid "${name}". ${JSON.stringify(text)} is not a boolean`);
}

function maxResultsOf(query: QueryParameters): number | undefined {
  const text: string | undefined = query.text('max_results');
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text) && text.length <= maxResultsDigitsMax && Number(text) > 0) return Number(text);
  // Riak shows a number as it is, and anything else between quotes.
  const shown = /^-?\d+$/.test(text) ? text : JSON.stringify(text);
  throw new QueryError(`Invalid "max_results". ${shown} is not a positive integer`);
}

function timeoutOf(query: QueryParameters): number | undefined {
  const text: string | undefined = query.text('timeout');
  if (text === undefined) return undefined;
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new QueryError(`Bad timeout value ${JSON.stringify(text)}. Must be a non-negative integer\n`);
}

interface Shape {
  readonly member: 'keys' | 'results';
  readonly json: (entry: IndexEntry) => string;
}

const keysShape: Shape = { member: 'keys', json: ({ key }) => JSON.stringify(textOfBytes(key)) };
const termsShape: Shape = {
  member: 'results',
  json: ({ term, key }) => `{${JSON.stringify(textOfBytes(term))}:${JSON.stringify(textOfBytes(key))}}`,
};

/** `{"keys":[…],"continuation":"…"}` */
async function sendResults(exchange: HttpExchange, results: IndexResults, shape: Shape): Promise<void> {
  const writer = new PacedWriter(exchange, bufferedBytesMax, jsonHeaders);
  let separator = '';
  writer.text(`{"${shape.member}":[`);
  const failure = await forEachSlice(exchange, results, async (slice) => {
    for (const entry of slice) {
      writer.text(separator + shape.json(entry));
      separator = ',';
    }
    await writer.flushed();
  });
  const { continuation } = results;
  const rest = continuation === undefined ? '' : `,"continuation":${JSON.stringify(continuation)}`;
  if (failure === undefined) writer.finish(`]${rest}}`);
  else if (writer.begun) exchange.abort();
  else sendError(exchange, failure);
}

/** Parts of `multipart/mixed`, each a JSON object; an error is the last of them. */
async function streamResults(
  exchange: HttpExchange,
  results: IndexResults,
  shape: Shape,
  boundary: string,
): Promise<void> {
  const writer = new PacedWriter(exchange, 0, () => multipartHeaders(boundary));
  const part = (json: string) => `\r\n--${boundary}\r\nContent-Type: application/json\r\n\r\n${json}`;
  const failure = await forEachSlice(exchange, results, async (slice) => {
    writer.text(part(`{"${shape.member}":[${slice.map((entry) => shape.json(entry)).join(',')}]}`));
    await writer.flushed();
  });
  const { continuation } = results;
  if (failure !== undefined) writer.text(part(JSON.stringify({ error: failure.code })));
  else if (continuation !== undefined) writer.text(part(JSON.stringify({ continuation })));
  writer.finish(`\r\n--${boundary}--\r\n`);
}

/** `{"count":7}` */
async function sendCount(exchange: HttpExchange, indexes: IndexQuerying, asked: IndexRequest): Promise<void> {
  try {
    sendJson(exchange, 200, { count: await indexes.count(asked) });
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    sendError(exchange, error.error);
  }
}

/** Undefined if all results were seen, or the peer has gone. */
async function forEachSlice(
  { signal }: HttpExchange,
  results: IndexResults,
  visit: (slice: readonly IndexEntry[]) => Promise<void>,
): Promise<KvError | undefined> {
  try {
    while (!signal.aborted) {
      const slice = await results.next();
      if (slice === undefined) return undefined;
      await visit(slice);
    }
    return undefined;
  } catch (error) {
    if (error instanceof KvFailure) return error.error;
    throw error;
  } finally {
    await results.close();
  }
}

function jsonHeaders(): string[] {
  return ['Vary', varyEncoding, 'Server', serverHeader, 'Content-Type', 'application/json'];
}

/** Without a blank after the semicolon, as Riak writes it. */
function multipartHeaders(boundary: string): string[] {
  return [
    'Vary',
    varyEncoding,
    'Server',
    serverHeader,
    'Content-Type',
    `multipart/mixed;boundary=${boundary}`,
  ];
}
