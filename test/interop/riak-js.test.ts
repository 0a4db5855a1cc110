/** The npm package riak-js (2015), unmodified, over HTTP and over Protocol Buffers, against a started node. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { EventEmitter } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { type StartedNode, startNode } from './started-node.ts';

/** What its callbacks get as the third argument; over HTTP also what it takes as options. */
interface Meta {
  readonly statusCode?: number;
  readonly key?: string;
  readonly vclock?: string;
  readonly etag?: string;
  readonly contentType?: string;
  readonly links?: unknown;
  readonly index?: unknown;
  readonly headers?: Record<string, string>;
}

interface Failure extends Error {
  readonly statusCode?: number;
  readonly notFound?: boolean;
}

type Outcome = readonly [data: unknown, meta: Meta];
type Method = (...args: unknown[]) => unknown;
type Client = Record<string, Method>;

/**
 * The library is of the time of Node 0.10. It passes `http.request` an object whose `path` and `headers` are
 * inherited accessors, where Node now copies own properties only; and it reads `OutgoingMessage._headers`,
 * which Node 26 no longer has. Both are given back to it here: to the platform, not to the library.
 */
function restoreOldHttp(): void {
  const { request } = http;
  http.request = ((options: http.RequestOptions, onResponse?: (incoming: http.IncomingMessage) => void) => {
    const { method, path, headers } = options;
    return request({ ...options, method, path, headers } as http.RequestOptions, onResponse);
  }) as typeof http.request;
  if ('_headers' in http.OutgoingMessage.prototype) return;
  Object.defineProperty(http.OutgoingMessage.prototype, '_headers', {
    get(this: http.OutgoingMessage) {
      return this.getHeaders();
    },
  });
}

restoreOldHttp();
const riak = createRequire(import.meta.url)('riak-js') as Record<
  'http' | 'protobuf',
  new (
    o: object,
  ) => Client
>;

let node: StartedNode;
let web: Client;
let protobuf: Client;

before(async () => {
  node = await startNode();
  web = new riak.http({ host: '127.0.0.1', port: node.httpPort });
  protobuf = new riak.protobuf({ host: '127.0.0.1', port: node.protobufPort });
});

after(async () => {
  protobuf.end!();
  await node[Symbol.asyncDispose]();
});

function call(client: Client, method: string, ...args: unknown[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    client[method]!(...args, (error: unknown, data: unknown, meta: Meta) =>
      error ? reject(error as Error) : resolve([data, meta]),
    );
  });
}

/** The failure of a call that must fail. */
async function failureOf(client: Client, method: string, ...args: unknown[]): Promise<Failure> {
  return call(client, method, ...args).then(
    () => assert.fail(`${method} succeeded`),
    (failure: Failure) => failure,
  );
}

/** Everything that a streamed listing emits. */
function streamed(client: Client, method: string, event: string, ...args: unknown[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const names: string[] = [];
    const emitter = client[method]!(...args, (error: unknown) => {
      if (error) reject(error as Error);
    }) as EventEmitter & { start(): void };
    emitter.on(event, (slice: string[]) => names.push(...slice));
    emitter.on('end', () => resolve(names));
    emitter.start();
  });
}

test('http: ping, stats and resources', async () => {
  assert.equal((await call(web, 'ping'))[0], true);
  const [stats] = await call(web, 'stats', {});
  assert.equal((stats as Record<string, unknown>).nodename, 'riak@127.0.0.1');
  const [resources] = await call(web, 'resources', {});
  const { riak_kv_wm_buckets: buckets, riak_kv_wm_ping: ping } = resources as Record<string, unknown>;
  assert.deepEqual([buckets, ping], ['/buckets', '/ping']);
});

test('http: store, read, update and delete', async () => {
  await call(web, 'save', 'users', 'a@example.com', { name: 'Æ', city: 'B' });
  const [first, meta] = await call(web, 'get', 'users', 'a@example.com');
  assert.deepEqual(first, { name: 'Æ', city: 'B' });
  assert.equal(meta.contentType, 'application/json');
  assert.match(meta.etag!, /^[0-9A-Za-z]+$/);
  // The library sends all headers of the read back with the write: ETag, Vary, and also Content-Length,
  // so that this works for a value of the same length only.
  await call(web, 'save', 'users', 'a@example.com', { name: 'Ø', city: 'C' }, meta);
  assert.deepEqual((await call(web, 'get', 'users', 'a@example.com'))[0], { name: 'Ø', city: 'C' });
  const [exists] = await call(web, 'exists', 'users', 'a@example.com');
  const [missing] = await call(web, 'exists', 'users', 'nobody');
  assert.deepEqual([exists, missing], [true, false]);
  const [, head] = await call(web, 'head', 'users', 'a@example.com');
  assert.deepEqual([head.statusCode, head.contentType], [200, 'application/json']);
  const [, removed] = await call(web, 'remove', 'users', 'a@example.com');
  assert.equal(removed.statusCode, 204);
  const gone = await failureOf(web, 'get', 'users', 'a@example.com');
  assert.deepEqual([gone.notFound, gone.statusCode, gone.message], [true, 404, 'not found']);
});

test('http: a key is made, bodies are returned, and text and bytes keep their type', async () => {
  const [, made] = await call(web, 'save', 'made', undefined, 'text', { returnbody: true });
  assert.equal(made.statusCode, 201);
  assert.match(made.key!, /^[0-9A-Za-z]{20,30}$/);
  const [text, meta] = await call(web, 'get', 'made', made.key);
  assert.deepEqual([text, meta.contentType], ['text', 'text/plain']);
  const bytes = Buffer.from([0, 1, 2, 253, 254, 255]);
  await call(web, 'save', 'made', 'bytes', bytes, { contentType: 'image/png' });
  const [got, image] = await call(web, 'get', 'made', 'bytes');
  assert.deepEqual([Buffer.from(got as Buffer), image.contentType], [bytes, 'image/png']);
});

test('http: indexes and links are carried', async () => {
  const links = [{ bucket: 'other', key: 'k 1', tag: 'next' }];
  await call(web, 'save', 'rich', 'k', 'x', { index: { age: 42, email: 'a@example.com' }, links });
  const [, meta] = await call(web, 'get', 'rich', 'k');
  assert.deepEqual(meta.index, { age: 42, email: 'a@example.com' });
  // The library writes its links as /riak/BUCKET/KEY and reads no others.
  assert.deepEqual(meta.links, links);
});

test('http: siblings are created, shown and resolved', async () => {
  const place = ['siblings', 'haensel'] as const;
  await call(web, 'saveBucket', place[0], { allow_mult: true });
  await call(web, 'save', ...place, { eats: 'lebkuchen' });
  await call(web, 'save', ...place, { likes: 'lebkuchen' });
  const [siblings, meta] = await call(web, 'get', ...place);
  const values = (siblings as { data: unknown }[]).map(({ data }) => data);
  assert.deepEqual([meta.statusCode, values], [300, [{ eats: 'lebkuchen' }, { likes: 'lebkuchen' }]]);
  await call(web, 'save', ...place, { eats: 'all' }, { vclock: meta.vclock });
  const [resolved, single] = await call(web, 'get', ...place);
  assert.deepEqual([single.statusCode, resolved], [200, { eats: 'all' }]);
});

test('http: keys and buckets, whole, streamed and counted', async () => {
  const keys = Array.from({ length: 50 }, (_, i) => `key-${i}`).sort();
  await Promise.all(keys.map((key) => call(web, 'save', 'listed', key, key)));
  assert.equal(((await call(web, 'keys', 'listed', { keys: true }))[0] as string[]).length, 50);
  assert.deepEqual((await streamed(web, 'keys', 'keys', 'listed', { keys: 'stream' })).sort(), keys);
  assert.ok(((await call(web, 'buckets', {}))[0] as string[]).includes('listed'));
  assert.ok((await streamed(web, 'buckets', 'buckets', { buckets: 'stream' })).includes('listed'));
});

test('http: bucket properties are read and set, and bad ones refused', async () => {
  const read = async () => (await call(web, 'getBucket', 'props'))[0] as Record<string, unknown>;
  assert.deepEqual([(await read()).n_val, (await read()).allow_mult], [3, false]);
  await call(web, 'saveBucket', 'props', { n_val: 2, allow_mult: true });
  assert.deepEqual([(await read()).n_val, (await read()).allow_mult], [2, true]);
  const refused = await failureOf(web, 'saveBucket', 'props', { n_val: 0 });
  assert.deepEqual([refused.statusCode, refused.message], [400, '{"n_val":"not_integer"}']);
});

test('http: errors keep their statuses and texts', async () => {
  const tooMany = 'Specified w/dw/pw/node_confirms values invalid for bucket n value of 3';
  const write = await failureOf(web, 'save', 'errors', 'k', 'x', { w: 5 });
  assert.deepEqual([write.statusCode, write.message], [400, tooMany]);
  assert.equal((await failureOf(web, 'get', 'errors', 'k', { r: 'abc' })).statusCode, 400);
});

test('protobuf: store, read, update and delete', async () => {
  const type = { content_type: 'application/json', contentType: 'application/json' };
  await call(protobuf, 'save', 'pb', 'k', { name: 'Joe' }, type);
  const [got, meta] = await call(protobuf, 'get', 'pb', 'k');
  assert.deepEqual(got, { name: 'Joe' });
  assert.equal(meta.contentType, 'application/json');
  await call(protobuf, 'save', 'pb', 'k', { name: 'Jane' }, meta);
  assert.deepEqual((await call(protobuf, 'get', 'pb', 'k'))[0], { name: 'Jane' });
  await call(protobuf, 'remove', 'pb', 'k');
  assert.deepEqual(await failureOf(protobuf, 'get', 'pb', 'k'), { notFound: true });
});

test('protobuf: ping, keys, buckets and properties', async () => {
  await call(protobuf, 'ping');
  for (const key of ['a', 'b', 'c']) await call(protobuf, 'save', 'pb-listed', key, 'x');
  const keys = await streamed(protobuf, 'keys', 'keys', 'pb-listed', { keys: 'stream' });
  assert.deepEqual(keys.sort(), ['a', 'b', 'c']);
  assert.ok(((await call(protobuf, 'buckets'))[0] as string[]).includes('pb-listed'));
  const read = async () => (await call(protobuf, 'getBucket', 'pb-props'))[0] as Record<string, unknown>;
  assert.deepEqual([(await read()).n_val, (await read()).allow_mult], [3, false]);
  await call(protobuf, 'saveBucket', 'pb-props', { allow_mult: true });
  assert.equal((await read()).allow_mult, true);
});
