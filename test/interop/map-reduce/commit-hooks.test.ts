/** Commit hooks over both APIs, in real sandbox processes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ensureBucketTypes } from '../../../src/server/embedded/index.ts';
import { type JobNode, startJobNode } from './job-node.ts';

const functions = {
  check: 'function(object) { return object.values[0].data.length > 8 ? { fail: "too long" } : object; }',
  refuse: 'function() { return "fail"; }',
  stamp: `function(object) {
    var value = object.values[0];
    if (value.metadata['X-Riak-Deleted']) return object;
    value.data = value.data + '!';
    value.metadata['X-Riak-Meta']['X-Riak-Meta-Seen'] = object.bucket + '/' + object.key;
    value.metadata.index.length_int = value.data.length;
    return object;
  }`,
  same: 'function(object) { return object; }',
  broken: 'function(object) { return nosuch; }',
  odd: 'function(object) { return 7; }',
  deep: 'function() { var x = 1; for (var i = 0; i < 4500; i++) x = [x]; return { fail: x }; }',
  deepMetadata:
    'function(object) { var x = 1; for (var i = 0; i < 4500; i++) x = [x]; object.values[0].metadata.x = x; return object; }',
  slow: 'function() { for (;;); }',
  keep: 'function(object) { return object.values[0].metadata["X-Riak-Deleted"] ? { fail: "kept" } : object; }',
};

async function startHooked(settings: Parameters<typeof startJobNode>[0] = {}): Promise<JobNode> {
  const node = await startJobNode({ 'javascript.hook_time.maximum': 500, ...settings });
  for (const [name, source] of Object.entries(functions))
    await node.put(`/buckets/functions/keys/${name}`, source);
  return node;
}

async function setHooks(node: JobNode, bucket: string, props: object): Promise<Response> {
  const headers = { 'Content-Type': 'application/json' };
  return fetch(`${node.url}/buckets/${bucket}/props`, {
    method: 'PUT',
    headers,
    body: JSON.stringify({ props }),
  });
}

async function write(
  node: JobNode,
  bucket: string,
  body: string | Uint8Array,
): Promise<readonly [number, string]> {
  const headers = { 'Content-Type': 'text/plain' };
  const answer = await fetch(`${node.url}/buckets/${bucket}/keys/k`, { method: 'PUT', headers, body });
  return [answer.status, await answer.text()];
}

test('a pre-commit hook lets a write pass, or rejects it with its reason', async () => {
  await using node = await startHooked();
  assert.equal((await setHooks(node, 'b', { precommit: [{ name: 'functions/check' }] })).status, 204);
  assert.deepEqual(await write(node, 'b', 'short'), [204, '']);
  assert.deepEqual(await write(node, 'b', 'much longer'), [403, 'too long\n']);
  assert.equal(
    await (await fetch(`${node.url}/buckets/b/keys/k`)).text(),
    'short',
    'what was rejected is not stored',
  );
  await setHooks(node, 'b', { precommit: [{ name: 'functions/refuse' }] });
  assert.deepEqual(await write(node, 'b', 'x'), [403, 'PUT aborted by pre-commit hook.\n']);
  await setHooks(node, 'b', { precommit: [] });
  assert.deepEqual(await write(node, 'b', 'x'), [204, '']);
});

test('hooks may change value, metadata and indexes; each sees what the one before made', async () => {
  await using node = await startHooked();
  const hooks = ['stamp', 'stamp', 'check'].map((name) => ({ name: `functions/${name}` }));
  await setHooks(node, 'b', { precommit: hooks });
  assert.deepEqual(await write(node, 'b', 'hi'), [204, '']);
  const answer = await fetch(`${node.url}/buckets/b/keys/k`);
  assert.equal(await answer.text(), 'hi!!');
  assert.equal(answer.headers.get('x-riak-meta-seen'), 'b/k');
  assert.equal(answer.headers.get('x-riak-index-length_int'), '4');
  assert.match((await write(node, 'b', '1234567'))[1], /too long/, 'the third sees nine characters');
});

test('bytes that are no text come through a hook that does not change them', async () => {
  await using node = await startHooked();
  await setHooks(node, 'b', { precommit: [{ name: 'functions/same' }] });
  const bytes = Uint8Array.of(0, 255, 128, 254);
  assert.deepEqual(await write(node, 'b', bytes), [204, '']);
  const stored = await (await fetch(`${node.url}/buckets/b/keys/k`)).arrayBuffer();
  assert.deepEqual(new Uint8Array(stored), bytes);
});

test('a hook that fails, is missing, returns something else or does not end rejects the write', async () => {
  await using node = await startHooked();
  const reasons: readonly (readonly [string, RegExp])[] = [
    ['broken', /hook functions\/broken: ReferenceError/],
    ['odd', /must return an object/],
    ['deep', /nested deeper than 64|RangeError/],
    ['deepMetadata', /nested deeper than 64|RangeError/],
    ['none', /functions\/none: it is not stored/],
    ['slow', /ran longer than 500 ms|not called in time/],
  ];
  for (const [name, reason] of reasons) {
    await setHooks(node, 'b', { precommit: [{ name: `functions/${name}` }] });
    const [status, body] = await write(node, 'b', 'x');
    assert.equal(status, 403);
    assert.match(body, reason);
  }
  assert.deepEqual(await write(node, 'other', 'x'), [204, ''], 'other buckets do not notice');
  assert.ok(Number(node.node.stats().precommit_fail) >= reasons.length);
});

test('deletes pass hooks, too', async () => {
  await using node = await startHooked();
  await write(node, 'b', 'x');
  await setHooks(node, 'b', { precommit: [{ name: 'functions/keep' }] });
  const answer = await fetch(`${node.url}/buckets/b/keys/k`, { method: 'DELETE' });
  assert.deepEqual([answer.status, await answer.text()], [403, 'kept\n']);
  await setHooks(node, 'b', { precommit: [{ name: 'functions/stamp' }] });
  assert.equal((await fetch(`${node.url}/buckets/b/keys/k`, { method: 'DELETE' })).status, 204);
});

test('updates of data types pass no hooks, whatever they would say; their deletes do', async () => {
  await using node = await startHooked();
  await ensureBucketTypes(node.node.database.store.bucketTypes, { counters: { datatype: 'counter' } });
  const props = { precommit: [{ name: 'functions/refuse' }], postcommit: [{ name: 'functions/broken' }] };
  const bucket = `${node.url}/types/counters/buckets/b`;
  const headers = { 'Content-Type': 'application/json' };
  const set = await fetch(`${bucket}/props`, { method: 'PUT', headers, body: JSON.stringify({ props }) });
  assert.equal(set.status, 204);
  const counter = `${bucket}/datatypes/c`;
  const update = await fetch(counter, { method: 'POST', headers, body: '{"increment":5}' });
  assert.equal(update.status, 204);
  assert.deepEqual(await (await fetch(counter)).json(), { type: 'counter', value: 5 });
  const deletion = await fetch(`${bucket}/keys/c`, { method: 'DELETE' });
  assert.equal(deletion.status, 403);
  assert.equal((await fetch(counter)).status, 200);
  assert.equal(Number(node.node.stats().postcommit_fail), 0);
});

test('post-commit hooks keep nobody waiting; their failures are counted', async () => {
  await using node = await startHooked();
  await setHooks(node, 'b', { postcommit: [{ name: 'functions/broken' }] });
  assert.deepEqual(await write(node, 'b', 'x'), [204, '']);
  const count = () => Number(node.node.stats().postcommit_fail);
  for (let tries = 0; count() === 0 && tries < 200; tries += 1) await new Promise((r) => setTimeout(r, 50));
  assert.equal(count(), 1);
});

test('post-commit hooks are not told of objects that are too large to be shown', async () => {
  await using node = await startHooked({ 'javascript.hook_object.maximum': 64 * 1024 });
  await setHooks(node, 'b', { postcommit: [{ name: 'functions/same' }] });
  const count = () => Number(node.node.stats().postcommit_fail);
  await node.put('/buckets/b/keys/small', 'x');
  await node.put('/buckets/b/keys/large', 'x'.repeat(100_000));
  for (let tries = 0; count() === 0 && tries < 100; tries += 1) await new Promise((r) => setTimeout(r, 50));
  assert.equal(count(), 1);
});

test('what can be a hook: stored functions and our own, not those of Erlang', async () => {
  await using node = await startHooked();
  const refusals: readonly (readonly [object, string])[] = [
    [{ mod: 'm', fun: 'f' }, 'erlang_hooks_not_supported'],
    [{ name: 'nosuch' }, 'unknown_function'],
    [{ name: 'a/b/c/d' }, 'unknown_function'],
    [{ name: 'a//b' }, 'unknown_function'],
    [{ name: '%zz/b' }, 'unknown_function'],
  ];
  for (const [hook, reason] of refusals) {
    const answer = await setHooks(node, 'b', { precommit: [hook] });
    assert.equal(answer.status, 400);
    assert.deepEqual(await answer.json(), { precommit: reason });
  }
  await setHooks(node, 'b', { precommit: [{ name: 'Hale.requireJson' }] });
  assert.match((await write(node, 'b', '{'))[1], /^the value is not JSON: /);
  assert.deepEqual(await write(node, 'b', '{}'), [204, '']);
  assert.equal(
    (await setHooks(node, 'b', { precommit: [{ name: 'default/functions/sa%6de' }] })).status,
    204,
  );
  assert.deepEqual(await write(node, 'b', 'x'), [204, '']);
});

test('without JavaScript a bucket with hooks takes no writes', async () => {
  await using node = await startHooked({ 'javascript.engine': 'off' });
  await setHooks(node, 'b', { precommit: [{ name: 'functions/same' }] });
  assert.match((await write(node, 'b', 'x'))[1], /JavaScript is not available/);
});
