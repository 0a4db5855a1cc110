/**
 * What client libraries in other languages (Python, Erlang, Go, Java, Ruby, PHP) insist on before they work with a server,
 * or name in their own suites: each a test, held with a started node. They were read off the wire of these libraries; the
 * libraries themselves do not run here. What differs is listed in docs/compatibility.md.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { after, before, test } from 'node:test';
import { type ByteString, byteLiteral } from '../../src/stdx/index.ts';
import {
  Atom,
  dataType,
  decodeMessage,
  decodeTerm,
  dtFetchReq,
  dtFetchResp,
  dtUpdateReq,
  dtUpdateResp,
  type Encodable,
  encodeFrame,
  encodeTerm,
  type FrameType,
  rpbErrorResp,
  rpbGetBucketKeyPreflistReq,
  rpbGetBucketKeyPreflistResp,
  rpbGetBucketReq,
  rpbGetBucketResp,
  rpbGetServerInfoReq,
  rpbGetServerInfoResp,
  rpbMapRedReq,
  rpbMapRedResp,
  rpbPutReq,
  rpbPutResp,
  type Term,
  Tuple,
} from '../../src/wire/index.ts';
import { FrameClient } from './protobuf/served-node.ts';
import { makeBucketType, type StartedNode, startNode } from './started-node.ts';

const nodeName = 'dev1@127.0.0.1';
let node: StartedNode;
let client: FrameClient;

before(async () => {
  node = await startNode('--name', nodeName, '-o', 'ring_size=64');
  for (const datatype of ['counter', 'set', 'map', 'hll', 'gset']) {
    await makeBucketType(node, `${datatype}s`, { datatype });
  }
  client = await FrameClient.connect(node.protobufPort);
});

after(async () => {
  client[Symbol.dispose]();
  await node[Symbol.asyncDispose]();
});

function name(text: string): ByteString {
  return byteLiteral(text);
}

async function ask<Req, Resp>(
  type: FrameType<Req>,
  message: Encodable<Req>,
  reply: FrameType<Resp>,
): Promise<Resp> {
  const bytes = Buffer.from(await client.ask(encodeFrame(type, message).toString('hex')), 'hex');
  assert.equal(bytes[0], reply.code, bytes.toString('latin1'));
  return decodeMessage(reply, bytes, 1);
}

async function refused<Req>(type: FrameType<Req>, message: Encodable<Req>): Promise<string> {
  const { errmsg, errcode } = await ask(type, message, rpbErrorResp);
  assert.equal(errcode, 0);
  return errmsg;
}

function http(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${node.httpPort}${path}`, { redirect: 'manual', ...init });
}

test('Python, Ruby: the server version is exactly three integers, over both interfaces; the node is name@host', async () => {
  const info = await ask(rpbGetServerInfoReq, {}, rpbGetServerInfoResp);
  assert.match(info.server_version!, /^\d+\.\d+\.\d+$/);
  assert.equal(info.node, nodeName);
  const stats = (await (await http('/stats', { headers: { accept: 'application/json' } })).json()) as {
    readonly riak_kv_version: string;
    readonly nodename: string;
  };
  assert.match(stats.riak_kv_version, /^\d+\.\d+\.\d+/);
  assert.equal(stats.nodename, nodeName);
  // From 2.1 on clients use bucket types, preference lists and write_once.
  const [major, minor] = info.server_version!.split('.').map(Number);
  assert.ok(major! * 100 + minor! >= 201);
});

test('Python: GET / names the resources by which clients choose their URLs', async () => {
  const answer = await http('/', { headers: { accept: 'application/json' } });
  const resources = (await answer.json()) as Record<string, string>;
  const wanted = 'ping stats buckets bucket_type object keylist props index counter crdt mapred link_walker';
  for (const resource of wanted.split(' ')) assert.ok(`riak_kv_wm_${resource}` in resources, resource);
});

test('each code of the default runs is known; search, time series and log-in are not, and the connection goes on', async () => {
  const known = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 29, 31, 32, 33, 40, 50, 52, 80, 82, 255];
  for (const code of known) {
    using one = await FrameClient.connect(node.protobufPort);
    // An empty body: whatever is missing is said, but never that the code is unknown.
    const reply = Buffer.from(await one.ask(`00000001${hexOf(code)}`), 'hex');
    assert.ok(!reply.includes('Unknown message code'), `code ${code}`);
  }
  for (const code of [27, 54, 56, 58, 60, 90, 97, 104, 253]) {
    const reply = Buffer.from(await client.ask(`00000001${hexOf(code)}`), 'hex');
    assert.ok(reply.includes(`Unknown message code: ${code}`), reply.toString('latin1'));
    assert.equal(await client.ask('0000000101'), '02');
  }
});

function hexOf(code: number): string {
  return code.toString(16).padStart(2, '0');
}

test('Erlang: the preference list of <<"b">>/<<"f">> on a ring of 64 is that of the exact hash; nodes go by their name', async () => {
  const { preflist } = await ask(
    rpbGetBucketKeyPreflistReq,
    { bucket: name('b'), key: name('f') },
    rpbGetBucketKeyPreflistResp,
  );
  assert.deepEqual(
    preflist.map(({ partition }) => Number(partition)),
    [52, 53, 54],
  );
  assert.ok(preflist.every((entry) => entry.node === nodeName && entry.primary));
});

test('Python, PHP: preference lists over HTTP, which Riak had from 2.1 to 2.9', async () => {
  for (const path of ['/buckets/b/keys/f/preflist', '/types/default/buckets/b/keys/f/preflist']) {
    const answer = await http(path);
    assert.equal(answer.status, 200, path);
    const { preflist } = (await answer.json()) as { readonly preflist: readonly { readonly node: string }[] };
    assert.deepEqual(
      preflist.map((entry) => entry.node),
      [nodeName, nodeName, nodeName],
    );
  }
});

test('defaults: no siblings in untyped buckets, siblings in typed ones; hll_precision is 14', async () => {
  const untyped = await ask(rpbGetBucketReq, { bucket: name('b') }, rpbGetBucketResp);
  assert.equal(untyped.props.allow_mult, false);
  assert.equal(untyped.props.n_val, 3);
  // Old decoders break on fields that they do not know.
  assert.equal(untyped.props.node_confirms, undefined);
  const typed = await ask(rpbGetBucketReq, { bucket: name('b'), type: name('hlls') }, rpbGetBucketResp);
  assert.equal(typed.props.allow_mult, true);
  assert.equal(typed.props.hll_precision, 14);
});

test('the bucket types that suites expect to find can be had', async () => {
  const types: Readonly<Record<string, object>> = {
    gset_bucket: { datatype: 'gset' },
    plain: {},
    no_siblings: { allow_mult: false },
    write_once: { write_once: true },
    mr: {},
    other_counters: { datatype: 'counter', allow_mult: true },
    no_riak_test_bucket_type: { r: 1, allow_mult: true },
    no_riak_test_crdt_map: { datatype: 'map', allow_mult: true },
    _test_crdt_set: { datatype: 'set', allow_mult: true },
  };
  for (const [type, props] of Object.entries(types)) {
    await makeBucketType(node, type, props);
    const shown = (await (await http(`/types/${type}/props`)).json()) as { readonly props: object };
    assert.deepEqual({ ...shown.props, ...props }, shown.props, type);
  }
});

test('a put without a key tells the one that was made; one of a data type too', async () => {
  const put = await ask(rpbPutReq, { bucket: name('b'), content: Buffer.from('0a0178', 'hex') }, rpbPutResp);
  assert.ok(put.key!.length > 0);
  const update = await ask(
    dtUpdateReq,
    { bucket: name('b'), type: name('counters'), op: { counter_op: { increment: 1n } } },
    dtUpdateResp,
  );
  assert.ok(update.key!.length > 0);
});

test('data types: a missing key gives its type alone; counters, gsets and hlls have no context; gsets return their body', async () => {
  const at = (type: string, key = 'k') => ({ bucket: name('b'), type: name(type), key: name(key) });
  for (const [type, number] of Object.entries(dataType)) {
    const missing = await ask(dtFetchReq, at(`${type}s`, 'missing'), dtFetchResp);
    assert.deepEqual(missing, { type: number });
  }
  const elements = [name('a'), name('b')];
  const set = await ask(
    dtUpdateReq,
    { ...at('gsets'), op: { gset_op: { adds: elements } }, return_body: true },
    dtUpdateResp,
  );
  assert.deepEqual(set.gset_value, elements);
  await ask(dtUpdateReq, { ...at('counters'), op: { counter_op: { increment: 2n } } }, dtUpdateResp);
  await ask(dtUpdateReq, { ...at('hlls'), op: { hll_op: { adds: elements } } }, dtUpdateResp);
  await ask(dtUpdateReq, { ...at('sets'), op: { set_op: { adds: elements, removes: [] } } }, dtUpdateResp);
  for (const type of ['counters', 'hlls', 'gsets']) {
    const { context, value } = await ask(dtFetchReq, at(type), dtFetchResp);
    assert.equal(context, undefined, type);
    assert.ok(value !== undefined);
  }
  assert.ok((await ask(dtFetchReq, at('sets'), dtFetchResp)).context!.length > 0);
});

test('Erlang, Python: MapReduce jobs and results as Erlang terms, over Protocol Buffers; over HTTP they are JSON alone', async () => {
  for (const key of ['k1', 'k2']) {
    const stored = await http(`/buckets/mrb/keys/${key}`, { method: 'PUT', body: '1', headers: text });
    assert.equal(stored.status, 204);
  }
  const atom = (text_: string) => new Atom(text_);
  const phase = (kind: string, fn: string, keep: boolean) =>
    new Tuple([
      atom(kind),
      new Tuple([atom('modfun'), atom('riak_kv_mapreduce'), atom(fn)]),
      atom('none') as Term,
      keep,
    ]);
  const job = encodeTerm([
    new Tuple([atom('inputs'), ['k1', 'k2'].map((key) => new Tuple([name('mrb'), name(key)]))]),
    new Tuple([
      atom('query'),
      [
        phase('map', 'map_object_value', false),
        phase('reduce', 'reduce_string_to_integer', false),
        phase('reduce', 'reduce_sum', true),
      ],
    ]),
  ]);
  const contentType = name('application/x-erlang-binary');
  const reply = await ask(rpbMapRedReq, { request: job, content_type: contentType }, rpbMapRedResp);
  assert.equal(reply.phase, 2);
  assert.deepEqual(decodeTerm(reply.response!), [2]);
  assert.equal(decodeMessage(rpbMapRedResp, Buffer.from(await client.receive(), 'hex'), 1).done, true);
  const answer = await http('/mapred', {
    method: 'POST',
    body: new Uint8Array(job),
    headers: { 'content-type': contentType },
  });
  assert.equal(answer.status, 415);
  await answer.arrayBuffer();
});

const text = { 'content-type': 'text/plain' };

test('the texts that suites match when a job is wrong', async () => {
  const json = (job: object) => ({
    request: Buffer.from(JSON.stringify(job)),
    content_type: name('application/json'),
  });
  assert.match(
    await refused(rpbMapRedReq, json({ inputs: 7, query: [] })),
    /^\{inputs,\["Unrecognized format of \\"inputs\\" field:"/,
  );
  const term = encodeTerm([
    new Tuple([new Atom('inputs'), name('b')]),
    new Tuple([new Atom('query'), new Atom('undefined')]),
  ]);
  assert.equal(
    await refused(rpbMapRedReq, { request: term, content_type: name('application/x-erlang-binary') }),
    '{query,{"Query takes a list of step tuples",undefined}}',
  );
});

test('URLs as clients write them: slashes at the end, empty first parts of queries, the old forms', async () => {
  await http('/buckets/urls/keys/k', { method: 'PUT', body: 'x', headers: text });
  for (const path of [
    '/buckets/urls/keys/?&keys=stream',
    '/buckets/urls/keys?keys=true',
    '/riak/urls?keys=true&props=false',
    '/riak/urls?keys=stream&props=false',
    '/riak?buckets=true',
    '/buckets?buckets=true',
    '/riak/urls/k',
    '/types/default/buckets/urls/keys/k',
    '/buckets/urls/props',
    '/types/sets/props',
    '/buckets/urls/index/$bucket/_',
  ]) {
    const answer = await http(path);
    assert.equal(answer.status, 200, path);
    await answer.arrayBuffer();
  }
  const job = JSON.stringify({
    inputs: 'urls',
    query: [{ reduce: { language: 'erlang', module: 'riak_kv_mapreduce', function: 'reduce_count_inputs' } }],
  });
  const answer = await http('/mapred/?&chunked=true', {
    method: 'POST',
    body: job,
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type')!, /^multipart\/mixed/);
  await answer.arrayBuffer();
  const made = await http('/types/counters/buckets/b/datatypes', {
    method: 'POST',
    body: '1',
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(made.status, 201);
  assert.match(made.headers.get('location')!, /^\/types\/counters\/buckets\/b\/keys\/.+/);
});

test('headers that clients echo are ignored, and names of headers match in any case', async () => {
  const echoed = {
    'content-type': 'text/plain',
    'x-riak-clientId': 'me',
    'X-RIAK-INDEX-COLOR_BIN': 'red, blue',
    'x-riak-meta-Owner': 'me',
    etag: '"none"',
    'last-modified': 'Sat, 21 Nov 2026 04:01:21 GMT',
    vary: 'Accept',
    server: 'MochiWeb',
    'status-code': '200',
  };
  assert.equal(
    (await http('/buckets/echo/keys/k', { method: 'PUT', body: 'x', headers: echoed })).status,
    204,
  );
  const read = await http('/buckets/echo/keys/k', { headers: { ...echoed, accept: '*/*, multipart/mixed' } });
  assert.equal(read.status, 200);
  assert.equal(read.headers.get('x-riak-meta-owner'), 'me');
  assert.deepEqual(
    read.headers
      .get('x-riak-index-color_bin')!
      .split(', ')
      .toSorted((a, b) => a.localeCompare(b)),
    ['blue', 'red'],
  );
  assert.match(read.headers.get('link')!, /rel="up"/);
  assert.equal(read.headers.get('vary'), 'Accept-Encoding');
  for (const header of ['x-riak-vclock', 'etag', 'last-modified'])
    assert.ok(read.headers.has(header), header);
  assert.equal((await http('/buckets/echo/keys/k', { method: 'DELETE' })).status, 204);
  assert.equal((await http('/buckets/echo/keys/k', { method: 'DELETE' })).status, 404);
});

test('with delete_mode immediate a key is gone right after its delete, and an empty bucket is not listed', async () => {
  await http('/buckets/gone/keys/k', { method: 'PUT', body: 'x', headers: text });
  await http('/buckets/gone/keys/k', { method: 'DELETE' });
  const answer = await http('/buckets/gone/keys/k');
  assert.equal(answer.status, 404);
  const { buckets } = (await (await http('/buckets?buckets=true')).json()) as {
    readonly buckets: readonly string[];
  };
  assert.ok(!buckets.includes('gone'));
});
