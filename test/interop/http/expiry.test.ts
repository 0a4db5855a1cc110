/** Objects that live for a limited time, over HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sendTo, serveNode } from './served-node.ts';

const text = { 'Content-Type': 'text/plain' };

test('a header says how long an object lives; a read says until when, and then that it is gone', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const before = Date.now();
  const put = await send('PUT', '/buckets/b/keys/k?returnbody=true', { ...text, 'X-Riak-TTL': '3600' }, 'v');
  assert.equal(put.status, 200);
  const until = Date.parse(String(put.headers['x-riak-expires']));
  assert.ok(until - before > 3_598_000 && until - before <= 3_601_000, String(until - before));
  assert.equal(
    (await send('GET', '/buckets/b/keys/k')).headers['x-riak-expires'],
    put.headers['x-riak-expires'],
  );
  assert.equal((await send('PUT', '/buckets/b/keys/k', text, 'v')).status, 204);
  assert.equal(
    (await send('GET', '/buckets/b/keys/k')).headers['x-riak-expires'],
    undefined,
    'each write anew',
  );

  assert.equal((await send('PUT', '/buckets/b/keys/short', { ...text, 'X-Riak-TTL': '1' }, 'v')).status, 204);
  assert.equal((await send('GET', '/buckets/b/keys/short')).body, 'v');
  assert.match((await send('GET', '/buckets/b/keys?keys=true')).body, /short/);
  await sleep(1100);
  const gone = await send('GET', '/buckets/b/keys/short');
  assert.deepEqual([gone.status, gone.body, gone.headers['x-riak-deleted']], [404, 'not found\n', 'true']);
  assert.ok(gone.headers['x-riak-vclock'] !== undefined, 'as if it had been deleted');
  assert.equal((await send('DELETE', '/buckets/b/keys/short')).status, 404);
  assert.doesNotMatch((await send('GET', '/buckets/b/keys?keys=true')).body, /short/);
  const anew = await send('PUT', '/buckets/b/keys/short', { ...text, 'If-None-Match': '*' }, 'w');
  assert.equal(anew.status, 204);
  assert.equal((await send('GET', '/buckets/b/keys/short')).body, 'w');
});

test('a bucket says it for all that do not; a header that is no number is refused', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const json = { 'Content-Type': 'application/json' };
  const props = (ttl: unknown) => send('PUT', '/buckets/t/props', json, JSON.stringify({ props: { ttl } }));
  assert.equal((await send('GET', '/buckets/t/props')).body.includes('"ttl"'), false, 'as Riak shows it');
  for (const bad of [-1, 1.5, 'soon', 2 ** 32]) {
    const refused = await props(bad);
    assert.deepEqual([refused.status, refused.body], [400, '{"ttl":"not_integer"}']);
  }
  assert.equal((await props(1)).status, 204);
  assert.ok((await send('GET', '/buckets/t/props')).body.includes('"ttl":1'));
  assert.equal((await send('PUT', '/buckets/t/keys/bucket', text, 'v')).status, 204);
  assert.equal((await send('PUT', '/buckets/t/keys/ever', { ...text, 'X-Riak-TTL': '0' }, 'v')).status, 204);
  for (const ttl of ['', '-1', '1s', '4294967296', '99999999999']) {
    const refused = await send('PUT', '/buckets/t/keys/bad', { ...text, 'X-Riak-TTL': ttl }, 'v');
    assert.equal(refused.status, 400, ttl);
    assert.match(refused.body, /^X-Riak-TTL must be a number of seconds/);
  }
  await sleep(1100);
  assert.equal((await send('GET', '/buckets/t/keys/bucket')).status, 404);
  const ever = await send('GET', '/buckets/t/keys/ever');
  assert.deepEqual([ever.status, ever.headers['x-riak-expires']], [200, undefined]);
});
