/** What a job may hold, and what is refused before it is made: the node goes on whatever a job asks for. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { encodeFrame, FrameReader, rpbMapRedReq, rpbMapRedResp } from '../../../src/wire/index.ts';
import { startJobNode } from './job-node.ts';

const erlang = (name: string, more: object = {}) => ({
  language: 'erlang',
  module: 'riak_kv_mapreduce',
  function: name,
  ...more,
});
const javascript = (source: string, more: object = {}) => ({ language: 'javascript', source, ...more });
const count = { reduce: erlang('reduce_count_inputs') };
const times = (length: number, ...key: string[]) => Array.from({ length }, () => key);

test('what a phase made is held until the phases behind it have taken it', async () => {
  await using node = await startJobNode({ 'mapreduce.held.maximum': 2 ** 20 });
  await node.put('/buckets/b/keys/k', 'v');
  const keys = 'function() { return Array(20000).fill(["b", "k"]); }';
  const many = [
    [{ map: javascript(keys) }, { map: erlang('map_object_value') }, count],
    [{ reduce: javascript(keys) }, { map: erlang('map_object_value') }, count],
  ];
  for (const query of many) {
    const { status, body } = await node.run({ inputs: times(1, 'b', 'k'), query });
    assert.deepEqual([status, body], [500, '{"error":"the job holds more than 1048576 bytes"}']);
  }
});

test('a job goes on for as long as what it holds is taken', async () => {
  await using node = await startJobNode({ 'mapreduce.held.maximum': 6 * 2 ** 20 });
  const link = (i: number) => `</buckets/b/keys/${i}>; riaktag="t"`;
  await node.put('/buckets/b/keys/linked', 'v', {
    Link: Array.from({ length: 200 }, (_, i) => link(i)).join(),
  });
  const links = { inputs: times(3000, 'b', 'linked'), query: [{ link: {} }, count] };
  assert.deepEqual(await node.results(links), [600_000]);
  await node.put('/buckets/b/keys/large', 'x'.repeat(300_000));
  for (const map of [erlang('map_object_value'), javascript('function(v) { return [v.values[0].data]; }')]) {
    const large = { inputs: times(100, 'b', 'large'), query: [{ map }, count] };
    assert.deepEqual(await node.results(large), [100]);
    // All of them are the inputs of the second map at once.
    const sorted = { inputs: large.inputs, query: [{ reduce: erlang('reduce_sort') }, ...large.query] };
    assert.deepEqual(await node.results(sorted), [100]);
  }
});

test('a job over objects of megabytes runs at the default settings', async () => {
  await using node = await startJobNode();
  await node.put('/buckets/b/keys/large', 'x'.repeat(3 * 2 ** 20));
  for (const map of [erlang('map_object_value'), javascript('function(v) { return [v.values[0].data]; }')]) {
    const job = { inputs: times(16, 'b', 'large'), query: [{ map }, count] };
    assert.deepEqual(await node.results(job), [16]);
  }
});

test('an object whose JSON would be too long fails the job, not the node', async () => {
  await using node = await startJobNode({ 'mapreduce.held.maximum': 2 ** 32 });
  await node.put('/buckets/b/keys/zeros', new Uint8Array(46 * 2 ** 20));
  const query = [{ map: javascript('function() { return []; }') }];
  const { status, body } = await node.run({ inputs: times(2, 'b', 'zeros'), query });
  assert.equal(status, 500);
  assert.match(body, /the input of one call of the function is longer than 268435456 characters/);
});

test('a few bytes that would be many objects are refused, in a job and in what JavaScript made', async () => {
  await using node = await startJobNode({ 'javascript.maximum_heap_size': 2 ** 28 });
  const arg = `[${'{},'.repeat(2_000_000)}{}]`;
  const query = `[{"map":{"language":"erlang","module":"riak_kv_mapreduce","function":"map_identity","arg":${arg}}}]`;
  const refused = await node.run(`{"inputs":"b","query":${query}}`);
  assert.equal(refused.status, 400);
  assert.equal(refused.body, 'The job cannot be taken: a value of too many parts\n');
  const made = javascript('function() { return [Array(2000000).fill({})]; }');
  const job = { inputs: times(1, 'b', 'k'), query: [{ map: made }, { reduce: erlang('reduce_sort') }] };
  const { status, body } = await node.run(job);
  assert.equal(status, 500);
  assert.match(JSON.parse(body).error, /a value of too many parts/);
});

test('how many parts a job may have follows what it may hold', async () => {
  await using node = await startJobNode({ 'mapreduce.held.maximum': 2 ** 20 });
  const job = (length: number) =>
    JSON.stringify({
      inputs: [],
      query: [{ reduce: javascript('function() { return []; }', { arg: Array(length).fill({}) }) }],
    });
  assert.equal((await node.run(job(1000))).status, 200);
  assert.equal((await node.run(job(10_000))).status, 400);
  const [reply] = await node.runFrame(Buffer.from(job(10_000)), 'application/json');
  assert.match(reply!.body.toString(), /a value of too many parts/);
});

test('behind the error of a job that ended while its client was slow comes nothing more', async () => {
  await using node = await startJobNode();
  await node.put('/buckets/b/keys/large', 'x'.repeat(2 ** 20));
  const job = {
    inputs: times(200, 'b', 'large'),
    query: [{ map: erlang('map_object_value') }],
    timeout: 3000,
  };
  const codes: number[] = [];
  await new Promise<void>((resolve, reject) => {
    const reader = new FrameReader(16 * 2 ** 20);
    const socket = connect({ host: '127.0.0.1', port: node.node.protobufAddress!.port });
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.on('data', (chunk: Buffer) => {
      reader.feed(chunk);
      while (reader.next()) {
        codes.push(reader.code);
        if (reader.code === 0) setTimeout(() => socket.destroy(), 500);
      }
      reader.retain();
    });
    const request = Buffer.from(JSON.stringify(job));
    socket.write(encodeFrame(rpbMapRedReq, { request, content_type: 'application/json' as never }));
    socket.pause();
    setTimeout(() => socket.resume(), 4000);
  });
  assert.ok(codes.length > 1 && codes.length < 200, `${codes.length} frames`);
  assert.deepEqual([codes.at(-1), codes.indexOf(0)], [0, codes.length - 1]);
  assert.ok(codes.slice(0, -1).every((code) => code === rpbMapRedResp.code));
});

test('a job whose client is gone takes no place and no processor any more', async () => {
  await using node = await startJobNode({
    'mapreduce.jobs.maximum': 2,
    // So long they would keep their places.
    'mapreduce.script_time.maximum': 60_000,
  });
  await node.put('/buckets/b/keys/k', 'v');
  const endless = { inputs: times(1, 'b', 'k'), query: [{ map: javascript('function() { for (;;); }') }] };
  // One runs, the other waits for its turn.
  const clients = Array.from({ length: 2 }, () => new AbortController());
  const gone = clients.map(({ signal }) =>
    fetch(`${node.url}/mapred`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(endless),
      signal,
    }),
  );
  await new Promise((resolve) => setTimeout(resolve, 1000));
  for (const client of clients) client.abort();
  for (const request of gone) await assert.rejects(request, { name: 'AbortError' });
  const deadline = performance.now() + 30_000;
  const quick = { ...endless, query: [{ map: javascript('function(v) { return [v.key]; }') }] };
  let answer = await node.run(quick);
  while (answer.status === 503 && performance.now() < deadline) answer = await node.run(quick);
  assert.deepEqual([answer.status, answer.body], [200, '["k"]']);
});
