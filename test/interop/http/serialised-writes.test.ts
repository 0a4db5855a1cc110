/** Conditional writes of a bucket that has them serialised, over HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendTo, serveNode } from './served-node.ts';

const text = { 'Content-Type': 'text/plain' };
const json = { 'Content-Type': 'application/json' };
const url = '/buckets/b/keys/k';
const props = '{"props":{"allow_mult":true,"conditional":"serialised"}}';

test('conditional writes answer as they always do', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const put = async (headers: Record<string, string>, at = url) =>
    (await send('PUT', at, { ...text, ...headers }, 'x')).status;
  assert.equal((await send('PUT', '/buckets/b/props', json, props)).status, 204);
  assert.match((await send('GET', '/buckets/b/props')).body, /"conditional":"serialised"/);
  assert.equal(await put({ 'If-Match': '*' }), 412, 'nothing is there');
  assert.equal(await put({ 'If-None-Match': '*' }), 204);
  assert.equal(await put({ 'If-None-Match': '*' }), 412);
  const { etag, 'x-riak-vclock': vclock } = (await send('GET', url)).headers;
  assert.equal(await put({ 'If-Match': '"zzz"' }), 412);
  assert.equal(await put({ 'If-None-Match': String(etag) }), 412);
  assert.equal(await put({ 'X-Riak-If-Not-Modified': String(vclock) }), 204);
  assert.equal(await put({ 'X-Riak-If-Not-Modified': String(vclock) }), 409);
  assert.equal(await put({ 'X-Riak-If-Not-Modified': String(vclock) }, '/buckets/b/keys/none'), 409);
  assert.equal(await put({ 'If-Match': String((await send('GET', url)).headers.etag) }), 204);
  const refused = await send('PUT', '/buckets/b/props', json, '{"props":{"conditional":"always"}}');
  assert.deepEqual([refused.status, refused.body], [400, '{"conditional":"not_conditional"}']);
});

test('of writers that all match one tag one passes', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  assert.equal((await send('PUT', '/buckets/b/props', json, props)).status, 204);
  assert.equal((await send('PUT', url, text, '0')).status, 204);
  const etag = String((await send('GET', url)).headers.etag);
  const answers = await Promise.all(
    Array.from({ length: 16 }, (_, i) => send('PUT', url, { ...text, 'If-Match': etag }, String(i))),
  );
  const statuses = answers.map(({ status }) => status).sort((a, b) => a - b);
  assert.deepEqual(statuses, [204, ...Array.from({ length: 15 }, () => 412)]);
  assert.equal((await send('GET', url)).status, 200, 'no siblings');
});
