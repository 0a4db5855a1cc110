/** The npm package no-riak (2016), unmodified, against a started node. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { makeBucketType, type StartedNode, startNode } from './started-node.ts';

interface Content {
  readonly value: Buffer | null;
  readonly content_type?: string;
  readonly charset?: string;
  readonly vtag: string;
  readonly last_mod: number;
  readonly links?: unknown;
  readonly usermeta?: unknown;
  readonly indexes?: { key: string; value: string }[];
  readonly deleted?: boolean;
}

interface Reply {
  readonly content: readonly Content[];
  readonly vclock: string;
  readonly key?: string;
  readonly unchanged?: boolean;
}

interface Client {
  init(): Promise<unknown>;
  end(): Promise<unknown>;
  ping(): Promise<unknown>;
  getServerInfo(): Promise<{ node: string; server_version: string }>;
  get(request: object): Promise<Reply | null>;
  put(request: object): Promise<Reply | null>;
  update(request: object): Promise<unknown>;
  del(request: object): Promise<null>;
  listKeys(request: object): Promise<string[]>;
  listBuckets(request?: object): Promise<string[]>;
  getBucket(request: object): Promise<{ props: Record<string, unknown> }>;
  setBucket(request: object): Promise<null>;
  resetBucket(request: object): Promise<null>;
  getBucketType(request: object): Promise<unknown>;
  setBucketType(request: object): Promise<unknown>;
}

const { Client } = createRequire(import.meta.url)('no-riak') as { Client: new (options: object) => Client };

/** The library lets this timer run on after it has connected, and the process with it. */
const connectionTimeout = 500;

let node: StartedNode;
let client: Client;

before(async () => {
  node = await startNode();
  client = new Client({ connectionString: `127.0.0.1:${node.protobufPort}`, connectionTimeout });
});

after(async () => {
  await client.end();
  await node[Symbol.asyncDispose]();
});

const textOf = ({ value }: Content): string => String(value);

test('client id, ping and server info', async () => {
  assert.equal(await client.init(), null);
  assert.equal(await client.ping(), null);
  const info = await client.getServerInfo();
  assert.equal(info.node, 'riak@127.0.0.1');
  assert.match(info.server_version, /^\d+\.\d+\.\d+$/);
});

test('store, read, update and delete', async () => {
  const place = { bucket: 'crud', key: 'k' };
  assert.equal(await client.put({ ...place, content: { value: 'one' } }), null);
  const first = (await client.get(place))!;
  assert.deepEqual(first.content.map(textOf), ['one']);
  assert.ok(Math.abs(first.content[0]!.last_mod - Date.now() / 1000) < 60);
  const content = { value: 'two' };
  const second = await client.put({ ...place, content, vclock: first.vclock, return_body: true });
  assert.deepEqual(second!.content.map(textOf), ['two']);
  assert.notEqual(second!.content[0]!.vtag, first.content[0]!.vtag);
  const head = (await client.get({ ...place, head: true }))!;
  assert.deepEqual([head.content[0]!.value, head.vclock], [null, second!.vclock]);
  const unchanged = await client.get({ ...place, if_modified: Buffer.from(second!.vclock, 'base64') });
  assert.deepEqual([unchanged!.unchanged, unchanged!.content], [true, undefined]);

  assert.equal(await client.del({ ...place, vclock: second!.vclock }), null);
  assert.equal(await client.get(place), null);
  // The tombstone is seen for a moment after the delete, then no longer.
  const deadline = Date.now() + 5000;
  while ((await client.get({ ...place, deletedvclock: true })) !== null) {
    assert.ok(Date.now() < deadline, 'the tombstone stays');
  }
  assert.equal(await client.del({ ...place, key: 'never' }), null);
});

test('a value without a key gets one; JSON, text and large values come back', async () => {
  for (const value of [{ hello: 'world!', list: [1, null] }, '人人生而自由', Buffer.alloc(300_000, 'ab')]) {
    const made = await client.put({ bucket: 'values', content: { value } });
    assert.match(made!.key!, /^[0-9A-Za-z]{20,30}$/);
    const got = (await client.get({ bucket: 'values', key: made!.key }))!.content[0]!.value;
    assert.deepEqual(typeof value === 'string' ? String(got) : got, value);
  }
});

test('content type, charset, user metadata, indexes and links are kept', async () => {
  const content = {
    value: 'rich',
    content_type: 'text/plain',
    charset: 'utf-8',
    usermeta: [{ key: 'colour', value: 'red' }],
    indexes: [
      { key: 'name_bin', value: 'bob' },
      { key: 'name_bin', value: 'alice' },
      { key: 'age_int', value: '42' },
    ],
    links: [{ bucket: 'b', key: 'k', tag: 't' }],
  };
  await client.put({ bucket: 'rich', key: 'k', content });
  const [got] = (await client.get({ bucket: 'rich', key: 'k' }))!.content;
  assert.deepEqual(
    [got!.content_type, got!.charset, got!.usermeta, got!.links],
    [content.content_type, content.charset, content.usermeta, content.links],
  );
  const terms = got!.indexes!.map(({ key, value }) => `${key}=${value}`).sort();
  assert.deepEqual(terms, ['age_int=42', 'name_bin=alice', 'name_bin=bob']);
});

test('siblings are created, shown in the order they were written, and resolved', async () => {
  const place = { bucket: 'siblings', key: 's' };
  await client.setBucket({ bucket: place.bucket, props: { allow_mult: true } });
  for (const msg of ['hello1', 'hello2']) await client.put({ ...place, content: { value: { msg } } });
  const both = (await client.get(place))!;
  assert.deepEqual(
    both.content.map(({ value }) => value),
    [{ msg: 'hello1' }, { msg: 'hello2' }],
  );
  const merged = await client.put({
    ...place,
    vclock: both.vclock,
    content: { value: 'merged' },
    return_head: true,
  });
  assert.equal(merged!.content.length, 1);
  assert.deepEqual((await client.get(place))!.content.map(textOf), ['merged']);
  for (const value of ['by update', 'by update again']) {
    await client.update({ ...place, content: { value } });
    assert.deepEqual((await client.get(place))!.content.map(textOf), [value]);
  }
});

test('conditional writes', async () => {
  const place = { bucket: 'conditions', key: 'k' };
  const content = { value: 'x' };
  const first = await client.put({ ...place, content, if_none_match: true, return_head: true });
  await assert.rejects(client.put({ ...place, content, if_none_match: true }), /match_found/);
  const { vclock } = first!;
  assert.equal(await client.put({ ...place, content, vclock, if_not_modified: true }), null);
  await assert.rejects(client.put({ ...place, content, vclock, if_not_modified: true }), /modified/);
  await assert.rejects(
    client.put({ ...place, key: 'x', content, vclock, if_not_modified: true }),
    /notfound/,
  );
});

test('keys and buckets are streamed', async () => {
  const keys = Array.from({ length: 250 }, (_, i) => `key-${i}`).sort();
  await Promise.all(keys.map((key) => client.put({ bucket: 'listed', key, content: { value: key } })));
  assert.deepEqual((await client.listKeys({ bucket: 'listed' })).sort(), keys);
  assert.equal((await client.listBuckets()).filter((bucket) => bucket === 'listed').length, 1);
  assert.deepEqual(await client.listKeys({ bucket: 'none' }), []);
});

test('bucket properties are read, set with quorums as words and numbers, and reset', async () => {
  const bucket = 'props';
  const { props: initial } = await client.getBucket({ bucket });
  assert.deepEqual([initial.n_val, initial.allow_mult, initial.r], [3, false, 'quorum']);
  await client.setBucket({ bucket, props: { allow_mult: true, r: 1, notfound_ok: false, w: 'one' } });
  const { props: changed } = await client.getBucket({ bucket });
  assert.deepEqual([changed.allow_mult, changed.r, changed.notfound_ok, changed.w], [true, 1, false, 'one']);
  await client.setBucket({ bucket, props: { r: 4294967292 } });
  assert.equal((await client.getBucket({ bucket })).props.r, 'all');
  await client.resetBucket({ bucket });
  assert.deepEqual((await client.getBucket({ bucket })).props, initial);
});

test('errors keep their texts, and the connections serve on', async () => {
  const place = { bucket: 'errors', key: 'k' };
  const content = { value: 'x' };
  const refusals: readonly (readonly [() => Promise<unknown>, string])[] = [
    [() => client.get({ ...place, r: 5 }), '{n_val_violation,3}'],
    [() => client.put({ ...place, content, w: 5 }), '{n_val_violation,3}'],
    [() => client.get({ ...place, type: 'nosuch' }), 'no_type'],
    [() => client.put({ ...place, content, type: 'nosuch' }), 'no_type'],
    [() => client.getBucketType({ type: 'nosuch' }), 'Invalid bucket type: <<"nosuch">>'],
    [
      () => client.setBucketType({ type: 'nosuch', props: { allow_mult: true } }),
      'Invalid bucket properties: not_active',
    ],
    [() => client.listKeys({ bucket: 'errors', type: 'nosuch' }), "No bucket-type named 'nosuch'"],
    [
      () => client.setBucket({ bucket: 'errors', props: { n_val: 0 } }),
      'Invalid bucket properties: [{n_val,not_integer}]',
    ],
  ];
  for (const [attempt, message] of refusals) {
    await assert.rejects(attempt(), { name: 'RiakError', code: 0, message });
  }
  assert.equal(await client.put({ ...place, content }), null);
});

test('a bucket type: its properties, its buckets, its objects', async () => {
  await makeBucketType(node, 'typed', { n_val: 2 });
  const type = 'typed';
  const propsOf = async (of: Promise<unknown>) => {
    const { n_val, allow_mult, pw } = ((await of) as { props: Record<string, unknown> }).props;
    return { n_val, allow_mult, pw };
  };
  assert.deepEqual(await propsOf(client.getBucketType({ type })), { n_val: 2, allow_mult: true, pw: 0 });
  assert.equal(await client.setBucketType({ type, props: { pw: 1 } }), null);
  assert.equal(await client.setBucket({ bucket: 'b', type, props: { allow_mult: false } }), null);
  assert.deepEqual(await propsOf(client.getBucket({ bucket: 'b', type })), {
    n_val: 2,
    allow_mult: false,
    pw: 1,
  });
  const place = { bucket: 'b', key: 'k' };
  assert.equal(await client.put({ ...place, type, content: { value: 'typed' } }), null);
  assert.equal(await client.put({ ...place, content: { value: 'untyped' } }), null);
  assert.deepEqual((await client.get({ ...place, type }))!.content.map(textOf), ['typed']);
  assert.deepEqual((await client.get(place))!.content.map(textOf), ['untyped']);
  assert.deepEqual(await client.listBuckets({ type }), ['b']);
  assert.deepEqual(await client.listKeys({ bucket: 'b', type }), ['k']);
  assert.equal(await client.del({ ...place, type }), null);
  assert.equal(await client.get({ ...place, type }), null);
  assert.deepEqual((await client.get(place))!.content.map(textOf), ['untyped']);
});

test('thirty requests at once over a pool of twenty', async () => {
  const pooled = new Client({
    connectionString: `127.0.0.1:${node.protobufPort}`,
    connectionTimeout,
    pool: { min: 5, max: 20 },
  });
  const infos = await Promise.all(Array.from({ length: 30 }, () => pooled.getServerInfo()));
  assert.equal(new Set(infos.map((info) => info.node)).size, 1);
  await pooled.end();
});
