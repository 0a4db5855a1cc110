/** Listings, properties and the node's own resources over HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KvFailure, type NameStream } from '../../../src/kv/index.ts';
import { byteLiteral } from '../../../src/stdx/index.ts';
import { exchangeBytes, openSocket, sendTo, serveNode } from './served-node.ts';

const text = { 'Content-Type': 'text/plain' };
const json = { 'Content-Type': 'application/json' };

/** `{"keys":["a"]}{"keys":[]}` → [["a"], []]. The names in these tests hold no braces. */
function streamed(body: string, member: string): string[][] {
  return body.split(/(?<=\})(?=\{)/).map((piece) => JSON.parse(piece)[member]);
}

test('keys and buckets, buffered and streamed, in all styles', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const keys = ['a/b c\u00e9', 'k1', 'k2', 'k3'];
  for (const key of keys) await send('PUT', `/buckets/b/keys/${encodeURIComponent(key)}`, text, 'x');
  const asText = (body: string) => Buffer.from(body, 'latin1').toString('utf8');
  for (const url of [
    '/buckets/b/keys?keys=true',
    '/types/default/buckets/b/keys/?&keys=true',
    '/riak/b?keys=true&props=false',
  ]) {
    const answer = await send('GET', url);
    assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/json']);
    assert.deepEqual(JSON.parse(asText(answer.body)).keys.sort(), keys);
  }
  for (const url of ['/buckets/b/keys?keys=stream', '/riak/b?keys=stream&props=false']) {
    const answer = await send('GET', url);
    assert.equal(answer.headers['transfer-encoding'], 'chunked');
    const slices = streamed(asText(answer.body), 'keys');
    assert.deepEqual(slices.flat().sort(), keys);
    assert.deepEqual(slices.at(-1), [], 'the terminator');
  }
  assert.equal((await send('GET', '/buckets/b/keys')).body, '{}');
  assert.equal((await send('GET', '/buckets/empty/keys?keys=true')).body, '{"keys":[]}');
  for (const url of ['/buckets?buckets=true', '/types/default/buckets?buckets=true', '/riak?buckets=true']) {
    assert.equal((await send('GET', url)).body, '{"buckets":["b"]}');
  }
  assert.equal((await send('GET', '/buckets?buckets=stream')).body, '{"buckets":["b"]}{"buckets":[]}');
  assert.equal((await send('GET', '/buckets')).body, '{"buckets":[]}');
  assert.equal((await send('GET', '/types/nosuch/buckets?buckets=true')).status, 404);
  assert.equal((await send('GET', '/types/nosuch/buckets/b/keys?keys=true')).status, 404);
  const legacy = JSON.parse((await send('GET', '/riak/b?keys=true')).body);
  assert.deepEqual([Object.keys(legacy), legacy.keys.length, legacy.props.name], [['props', 'keys'], 4, 'b']);
});

/** Ten names a slice, without end unless `slices` says so, counting what was taken. */
class CountedNames implements NameStream {
  taken = 0;
  closed = 0;
  readonly #slices: number;
  readonly #slice = Array.from({ length: 1000 }, () => byteLiteral('a-name-of-some-length'.repeat(4)));
  constructor(slices: number) {
    this.#slices = slices;
  }
  next() {
    if (this.taken === this.#slices) return Promise.reject(new KvFailure({ code: 'timeout' }));
    this.taken += 1;
    return Promise.resolve(this.#slice);
  }
  close() {
    this.closed += 1;
    return Promise.resolve();
  }
}

test('a listing that times out says so, or is cut off once it can no longer say it', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const listKeys = (names: NameStream) => {
    Object.assign(node.store, { listKeys: () => names });
  };
  listKeys(new CountedNames(0));
  assert.equal((await send('GET', '/buckets/b/keys?keys=true')).body, '{"error":"timeout"}');
  listKeys(new CountedNames(2));
  const answer = await send('GET', '/buckets/b/keys?keys=true');
  assert.equal(answer.body, '{"error":"timeout"}');
  const many = new CountedNames(20);
  listKeys(many);
  await assert.rejects(send('GET', '/buckets/b/keys?keys=true'));
  assert.equal(many.closed, 1);
  listKeys(new CountedNames(20));
  assert.match((await send('GET', '/buckets/b/keys?keys=stream')).body, /\]\}\{"error":"timeout"\}$/);
});

test('a reader who does not read stops the listing, and one who leaves ends it', async () => {
  await using node = await serveNode();
  const names = new CountedNames(Number.POSITIVE_INFINITY);
  Object.assign(node.store, { listKeys: () => names });
  const socket = await openSocket(node);
  socket.pause();
  socket.write('GET /buckets/b/keys?keys=stream HTTP/1.1\r\nHost: h\r\n\r\n');
  const settled = async () => {
    for (let before = -1; before !== names.taken; ) {
      before = names.taken;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await settled();
  const held = names.taken;
  assert.ok(held > 0 && held < 1000, `${held} slices read ahead of a deaf reader`);
  socket.destroy();
  for (let tries = 0; names.closed === 0 && tries < 50; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(names.closed, 1);
});

test('a listing that is refused before it begins is an error like any other', async () => {
  await using node = await serveNode({}, { headerBytesMax: 200_000 });
  const send = sendTo(node);
  const long = 'b'.repeat(70_000);
  for (const url of [
    `/buckets/${long}/keys?keys=true`,
    `/buckets/${long}/keys?keys=stream`,
    `/riak/${long}?keys=true`,
  ]) {
    const answer = await send('GET', url);
    assert.deepEqual([answer.status, answer.body], [400, 'The bucket is too long.\n']);
  }
  for (const [method, headers] of [
    ['PUT', json],
    ['DELETE', {}],
  ] as const) {
    const answer = await send(
      method,
      `/buckets/${long}/props`,
      headers,
      method === 'PUT' ? '{"props":{}}' : '',
    );
    assert.deepEqual([answer.status, answer.body], [400, 'The bucket is too long.\n']);
  }
  assert.equal((await send('PUT', `/buckets/b/keys/${long}`, text, 'x')).status, 400);
  assert.equal((await send('GET', `/buckets/b/keys/${long}`)).status, 400);
});

test('properties: get, set, refuse, reset', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const url = '/buckets/sib/props';
  const before = JSON.parse((await send('GET', url)).body).props;
  assert.deepEqual(
    [before.name, before.n_val, before.allow_mult, before.r, before.pr],
    ['sib', 3, false, 'quorum', 0],
  );
  const set = await send('PUT', url, json, '{"props":{"n_val":2,"allow_mult":true}}');
  assert.deepEqual([set.status, set.body], [204, '']);
  const changed = JSON.parse((await send('GET', '/types/default/buckets/sib/props')).body).props;
  assert.deepEqual([changed.n_val, changed.allow_mult], [2, true]);
  assert.equal(JSON.parse((await send('GET', '/riak/sib')).body).props.n_val, 2);
  const form = 'bucket PUT must be a JSON object of the form:\n{"props":{...bucket properties...}}\n';
  const deep = `{"props":{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`;
  for (const body of ['{"props":', '{"n_val":3}', '[]', 'null', '{"props":[]}', '', deep]) {
    const refused = await send('PUT', url, json, body);
    assert.deepEqual([refused.status, refused.body], [400, form], body.slice(0, 40));
  }
  for (const value of ['0', '"x"']) {
    const refused = await send('PUT', url, json, `{"props":{"n_val":${value}}}`);
    assert.deepEqual([refused.status, refused.body], [400, '{"n_val":"not_integer"}']);
  }
  assert.equal((await send('PUT', url, text, '{"props":{"n_val":3}}')).status, 415);
  assert.equal(
    (await send('PUT', url, json, '{"props":{"__proto__":{"polluted":true},"my_own":"v"}}')).status,
    204,
  );
  assert.equal(JSON.parse((await send('GET', url)).body).props.my_own, 'v');
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  assert.equal((await send('DELETE', url)).status, 204);
  assert.deepEqual(JSON.parse((await send('GET', url)).body).props, before);
  const type = JSON.parse((await send('GET', '/types/default/props')).body).props;
  assert.deepEqual([type.n_val, type.name], [3, undefined]);
  assert.equal((await send('GET', '/types/nosuch/props')).status, 404);
  const unknown = await send('PUT', '/types/nosuch/props', json, '{"props":{}}');
  assert.deepEqual([unknown.status, unknown.body], [404, 'Cannot modify unknown bucket type: nosuch\n']);
  assert.equal((await send('PUT', '/types/default/props', json, '{"props":{}}')).status, 403);
});

test('ping, stats and the index of resources', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const ping = await send('GET', '/ping');
  assert.deepEqual([ping.status, ping.body, ping.headers['content-type']], [200, 'OK', 'text/html']);
  const head = await send('HEAD', '/ping');
  assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', '2']);
  const post = await send('POST', '/ping');
  assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD']);
  const stats = await send('GET', '/stats', { Accept: 'application/json' });
  assert.deepEqual(JSON.parse(stats.body), { riak_kv_version: '3.2.0' });
  assert.equal((await send('GET', '/stats', { Accept: 'text/plain' })).headers['content-type'], 'text/plain');
  assert.equal((await send('GET', '/stats', { Accept: 'image/png' })).status, 406);
  const index = await send('GET', '/', { Accept: 'application/json' });
  const resources = JSON.parse(index.body);
  assert.deepEqual(
    [resources.riak_kv_wm_buckets, resources.riak_kv_wm_bucket_type, resources.riak_kv_wm_ping],
    ['/buckets', '/types', '/ping'],
  );
  assert.match(String(index.headers.link), /<\/buckets>; rel="riak_kv_wm_buckets",/);
  assert.match((await send('GET', '/')).body, /<a href="\/ping">riak_kv_wm_ping<\/a>/);
});

test('what does not exist is 404, and nothing crashes', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  for (const url of [
    '/nosuch',
    '/types',
    '/types/t',
    '/buckets/b',
    '/buckets/b/nosuch',
    '/ping/x',
    `/${'a/'.repeat(200)}`,
  ]) {
    assert.equal((await send('GET', url)).status, 404, url);
  }
  assert.match(await exchangeBytes(node, 'OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n'), /^HTTP\/1\.1 404 /);
  const absolute = await exchangeBytes(node, 'GET http://h/ping HTTP/1.1\r\nHost: h\r\n\r\n');
  assert.match(absolute, /^HTTP\/1\.1 200 (.*\r\n)*\r\nOK$/);
});

test('pages of other sites are refused, and administration is for this machine', async () => {
  let administered = 0;
  await using node = await serveNode({
    admin: (exchange) => {
      administered += 1;
      exchange.respond(200, [], Buffer.from('done'));
    },
  });
  const send = sendTo(node);
  assert.equal((await send('GET', '/ping', { Origin: 'null' })).status, 403);
  assert.equal((await send('GET', '/ping', { Referer: 'http://evil.example/x' })).status, 403);
  assert.equal((await send('GET', '/ping', { Referer: `http://127.0.0.1:${node.port}/` })).status, 200);
  assert.equal((await send('POST', '/admin/x', { Origin: 'http://evil.example' })).status, 403);
  assert.equal(administered, 0);
  assert.equal((await send('GET', '/admin/status')).body, 'done');
});
