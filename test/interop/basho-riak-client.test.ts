/** The npm package basho-riak-client (Basho's own client for Node, 2017), unmodified, against a started node. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { makeBucketType, type StartedNode, startNode } from './started-node.ts';

type Callback = (error: unknown, response: unknown) => void;

/** What its RiakObject shows of a value and its metadata. */
interface RiakObject {
  setValue(value: unknown): this;
  setContentType(type: string): this;
  setContentEncoding(encoding: string): this;
  setUserMeta(pairs: readonly { key: string; value: string }[]): this;
  addToIndex(name: string, ...terms: (string | number)[]): this;
  setLinks(links: readonly { bucket: string; key: string; tag: string }[]): this;
  setVClock(vclock: Buffer): this;
  value: Buffer & Record<string, unknown>;
  isTombstone: boolean;
  vclock: Buffer;
  getContentType(): string;
  getContentEncoding(): string;
  getUserMeta(): unknown;
  getIndexes(): unknown;
  getLinks(): unknown;
  getLastModified(): number;
}

interface Fetched {
  readonly isNotFound: boolean;
  readonly vclock: Buffer | null;
  readonly values: readonly RiakObject[];
}

interface Stored {
  readonly generatedKey: string | null;
  readonly vclock: Buffer | null;
  readonly values: readonly RiakObject[];
}

interface Client {
  stop(callback: Callback): void;
  ping(callback: Callback): void;
  fetchServerInfo(callback: Callback): void;
}

const riak = createRequire(import.meta.url)('basho-riak-client') as {
  Node: { buildNodes(addresses: readonly string[]): readonly object[] };
  Cluster: new (options: object) => object;
  Client: new (cluster: object, callback: (error: unknown, client: Client) => void) => Client;
  Commands: { KV: { RiakObject: new () => RiakObject } };
};
const { RiakObject } = riak.Commands.KV;

let node: StartedNode;
let client: Client;

before(async () => {
  node = await startNode();
  client = await new Promise((resolve, reject) => {
    const nodes = riak.Node.buildNodes([`127.0.0.1:${node.protobufPort}`]);
    // It would try again, with pauses, whatever the error.
    const cluster = new riak.Cluster({ nodes, executionAttempts: 1 });
    new riak.Client(cluster, (error, started) => (error ? reject(error) : resolve(started)));
  });
});

after(async () => {
  await new Promise<void>((resolve) => {
    client.stop((_error, state) => {
      // 4 is SHUTDOWN; before it comes SHUTTING_DOWN.
      if (state === 4) resolve();
    });
  });
  await node[Symbol.asyncDispose]();
});

/** It hands a server's error over as the bare text. */
function failure(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Runs one of its commands to its only answer. */
function ask<T>(command: string, options: object): Promise<T> {
  return new Promise((resolve, reject) => {
    const method = (client as unknown as Record<string, (options: object, callback: Callback) => void>)[
      command
    ]!;
    method.call(client, options, (error, response) =>
      error ? reject(failure(error)) : resolve(response as T),
    );
  });
}

/** Runs a command that answers in pieces, until the one that is `done`. */
function stream<T extends { done: boolean }>(command: string, options: object): Promise<T[]> {
  const pieces: T[] = [];
  return new Promise((resolve, reject) => {
    const method = (client as unknown as Record<string, (options: object, callback: Callback) => void>)[
      command
    ]!;
    method.call(client, { ...options, stream: true }, (error, response) => {
      if (error) return reject(failure(error));
      pieces.push(response as T);
      if ((response as T).done) resolve(pieces);
    });
  });
}

const store = (options: object) => ask<Stored>('storeValue', options);
const fetchValue = (options: object) => ask<Fetched>('fetchValue', options);

test('ping and server info', async () => {
  assert.equal(await new Promise((resolve) => client.ping((error, pong) => resolve(error ?? pong))), true);
  const info = await new Promise((resolve) => client.fetchServerInfo((error, got) => resolve(error ?? got)));
  const { node: name, server_version: version } = info as Record<string, string>;
  assert.equal(name, 'riak@127.0.0.1');
  assert.match(version!, /^\d+\.\d+\.\d+$/);
});

test('store, read, update and delete', async () => {
  const place = { bucket: 'crud', key: 'k' };
  assert.deepEqual(await store({ ...place, value: 'one' }), { generatedKey: null, vclock: null, values: [] });
  const first = await fetchValue(place);
  assert.deepEqual([first.isNotFound, first.values.length], [false, 1]);
  assert.equal(first.values[0]!.value.toString(), 'one');
  assert.ok(Math.abs(first.values[0]!.getLastModified() - Date.now()) < 60_000);

  const second = await store({ ...place, value: 'two', vclock: first.vclock, returnBody: true });
  assert.equal(second.values[0]!.value.toString(), 'two');
  assert.notDeepEqual(second.vclock, first.vclock);
  assert.equal((await fetchValue(place)).values[0]!.value.toString(), 'two');
  const head = await fetchValue({ ...place, headOnly: true });
  assert.deepEqual([head.values.length, head.values[0]!.value?.length ?? 0], [1, 0]);
  assert.deepEqual(head.vclock, second.vclock);

  assert.equal(await ask('deleteValue', { ...place, vclock: second.vclock }), true);
  assert.deepEqual(await fetchValue(place), {
    isNotFound: true,
    isUnchanged: false,
    vclock: null,
    values: [],
  });
  assert.equal(await ask('deleteValue', { bucket: 'crud', key: 'never' }), true);
});

test('a value without a key gets one; JSON, binary and empty values come back as they were', async () => {
  const value = { name: 'Ærøskøbing', numbers: [1, 2.5, -3] };
  const made = await store({ bucket: 'values', value });
  assert.match(made.generatedKey!, /^[0-9A-Za-z]{20,30}$/);
  const json = await fetchValue({ bucket: 'values', key: made.generatedKey, convertToJs: true });
  assert.deepEqual(json.values[0]!.value, value);
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256));
  for (const stored of [bytes, Buffer.alloc(0)]) {
    await store({ bucket: 'values', key: 'bytes', value: stored });
    const got = await fetchValue({ bucket: 'values', key: 'bytes' });
    assert.deepEqual(Buffer.from(got.values[0]!.value), stored);
  }
});

test('content type, encoding, user metadata, indexes and links are kept', async () => {
  const userMeta = [
    { key: 'X-Riak-Meta-Colour', value: 'rød' },
    { key: 'plain', value: '' },
  ];
  const links = [{ bucket: 'other', key: 'l', tag: 'next' }];
  const object = new RiakObject()
    .setValue('text')
    .setContentType('text/plain')
    .setContentEncoding('identity')
    .setUserMeta(userMeta)
    .addToIndex('email_bin', 'a@example.com', 'b@example.com')
    .addToIndex('age_int', 42)
    .setLinks(links);
  await store({ bucket: 'rich', key: 'k', value: object });
  const [got] = (await fetchValue({ bucket: 'rich', key: 'k' })).values;
  assert.equal(got!.getContentType(), 'text/plain');
  assert.equal(got!.getContentEncoding(), 'identity');
  assert.deepEqual(got!.getUserMeta(), userMeta);
  const { email_bin: emails, age_int: ages } = got!.getIndexes() as {
    email_bin: string[];
    age_int: number[];
  };
  assert.deepEqual([emails.sort(), ages], [['a@example.com', 'b@example.com'], [42]]);
  assert.deepEqual(got!.getLinks(), links);
  const viaHttp = await fetch(`http://127.0.0.1:${node.httpPort}/buckets/rich/keys/k`);
  assert.equal(viaHttp.headers.get('x-riak-index-age_int'), '42');
  assert.match(viaHttp.headers.get('link')!, /<\/buckets\/other\/keys\/l>; riaktag="next"/);
});

test('siblings are created, shown, resolved by the resolver and by a write', async () => {
  const place = { bucket: 'siblings', key: 's' };
  await ask('storeBucketProps', { bucket: place.bucket, allowMult: true });
  await store({ ...place, value: 'a' });
  const both = await store({ ...place, value: 'b', returnBody: true });
  assert.deepEqual(both.values.map(({ value }) => value.toString()).sort(), ['a', 'b']);
  const conflictResolver = (siblings: readonly RiakObject[]) =>
    new RiakObject()
      .setValue(
        siblings
          .map(({ value }) => value.toString())
          .sort()
          .join('+'),
      )
      .setVClock(siblings[0]!.vclock);
  const resolved = await fetchValue({ ...place, conflictResolver });
  assert.deepEqual(
    resolved.values.map(({ value }) => String(value)),
    ['a+b'],
  );
  const written = await store({ ...place, value: resolved.values[0], returnBody: true });
  assert.deepEqual(
    written.values.map(({ value }) => value.toString()),
    ['a+b'],
  );

  // A write that saw nothing of the delete makes the tombstone a sibling.
  await store({ ...place, key: 't', value: 'a', returnBody: true });
  const seen = await fetchValue({ ...place, key: 't' });
  await store({ ...place, key: 't', value: 'concurrent' });
  await ask('deleteValue', { ...place, key: 't', vclock: seen.vclock });
  const withTombstone = await fetchValue({ ...place, key: 't' });
  assert.equal(withTombstone.values.length, 2);
  assert.equal(withTombstone.values.filter(({ isTombstone }) => isTombstone).length, 1);
});

test('conditional writes', async () => {
  const place = { bucket: 'conditions', key: 'k' };
  const first = await store({ ...place, value: '1', ifNoneMatch: true, returnBody: true });
  await assert.rejects(store({ ...place, value: '2', ifNoneMatch: true }), { message: 'match_found' });
  const second = await store({
    ...place,
    value: '2',
    vclock: first.vclock,
    ifNotModified: true,
    returnHead: true,
  });
  assert.equal(second.values.length, 1);
  await assert.rejects(store({ ...place, value: '3', vclock: first.vclock, ifNotModified: true }), {
    message: 'modified',
  });
  await assert.rejects(store({ ...place, key: 'x', value: '', vclock: first.vclock, ifNotModified: true }), {
    message: 'notfound',
  });
});

test('keys and buckets, whole and streamed', async () => {
  const keys = Array.from({ length: 250 }, (_, i) => `key-${i}`).sort();
  await Promise.all(keys.map((key) => store({ bucket: 'listed', key, value: key })));
  const pieces = await stream<{ keys: string[]; done: boolean }>('listKeys', { bucket: 'listed' });
  assert.deepEqual(pieces.flatMap((piece) => piece.keys).sort(), keys);
  const whole = await ask<{ keys: string[] }>('listKeys', { bucket: 'listed', stream: false });
  assert.deepEqual(whole.keys.sort(), keys);
  assert.deepEqual((await ask<{ keys: string[] }>('listKeys', { bucket: 'none', stream: false })).keys, []);
  const buckets = await stream<{ buckets: string[]; done: boolean }>('listBuckets', {});
  assert.equal(buckets.flatMap((piece) => piece.buckets).filter((name) => name === 'listed').length, 1);
  const all = await ask<{ buckets: string[] }>('listBuckets', { stream: false });
  assert.deepEqual(all.buckets.sort(), buckets.flatMap((piece) => piece.buckets).sort());
});

test('bucket properties are read, set and reset', async () => {
  const read = (bucket: string) => ask<Record<string, unknown>>('fetchBucketProps', { bucket });
  const initial = await read('props');
  assert.deepEqual(
    [initial.nVal, initial.allowMult, initial.r, initial.notFoundOk, initial.chashKeyfun],
    [3, false, 4294967293, true, { mod: 'riak_core_util', fun: 'chash_std_keyfun' }],
  );
  assert.equal(await ask('storeBucketProps', { bucket: 'props', allowMult: true, nVal: 2, r: 1 }), true);
  const changed = await read('props');
  assert.deepEqual([changed.nVal, changed.allowMult, changed.r], [2, true, 1]);
  assert.equal(await ask('resetBucketProps', { bucket: 'props' }), true);
  assert.deepEqual(await read('props'), initial);
});

test('errors keep their texts, and the connection serves on', async () => {
  const place = { bucket: 'errors', key: 'k', value: '' };
  await assert.rejects(store({ ...place, w: 5 }), { message: '{n_val_violation,3}' });
  await assert.rejects(fetchValue({ bucket: 'errors', key: 'k', r: 5 }), { message: '{n_val_violation,3}' });
  await assert.rejects(store({ ...place, bucketType: 'nosuch' }), { message: 'no_type' });
  await assert.rejects(fetchValue({ bucket: 'errors', key: 'k', bucketType: 'nosuch' }), {
    message: 'no_type',
  });
  await assert.rejects(ask('fetchBucketProps', { bucket: 'errors', bucketType: 'nosuch' }), {
    message: "No bucket-type named 'nosuch'",
  });
  await assert.rejects(ask('fetchBucketTypeProps', { bucketType: 'nosuch' }), {
    message: 'Invalid bucket type: <<"nosuch">>',
  });
  await assert.rejects(ask('fetchIndex', { indexName: 'any' }), { message: 'Unknown message code: 54' });
  await store(place);
  assert.equal((await fetchValue({ bucket: 'errors', key: 'k' })).values.length, 1);
});

test('a bucket type: its properties, and the objects of its buckets', async () => {
  const bucketType = 'typed';
  await makeBucketType(node, bucketType, { n_val: 2 });
  const propsOf = async (command: string, place: object) => {
    const { nVal, allowMult, pw } = await ask<Record<string, unknown>>(command, { bucketType, ...place });
    return { nVal, allowMult, pw };
  };
  assert.deepEqual(await propsOf('fetchBucketTypeProps', {}), { nVal: 2, allowMult: true, pw: 0 });
  assert.equal(await ask('storeBucketTypeProps', { bucketType, pw: 1 }), true);
  assert.deepEqual(await propsOf('fetchBucketProps', { bucket: 'b' }), { nVal: 2, allowMult: true, pw: 1 });
  const place = { bucket: 'b', key: 'k' };
  for (const value of ['one', 'two']) await ask('storeValue', { ...place, bucketType, value });
  await ask('storeValue', { ...place, value: 'untyped' });
  const typed = await ask<Fetched>('fetchValue', { ...place, bucketType });
  assert.deepEqual(typed.values.map(({ value }) => String(value)).sort(), ['one', 'two']);
  const untyped = await ask<Fetched>('fetchValue', place);
  assert.deepEqual(
    untyped.values.map(({ value }) => String(value)),
    ['untyped'],
  );
});
