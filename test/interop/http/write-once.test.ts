/** Objects that are written once, over HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteLiteral } from '../../../src/stdx/index.ts';
import { sendTo, serveNode } from './served-node.ts';

const text = { 'Content-Type': 'text/plain' };
const type = byteLiteral('once');

async function serveOnce() {
  const node = await serveNode();
  await node.store.bucketTypes.create(type, { write_once: true });
  await node.store.bucketTypes.activate(type);
  return node;
}

test('the first write of a key stays; later ones are answered as if they were stored, and make no sibling', async () => {
  await using node = await serveOnce();
  const send = sendTo(node);
  const url = '/types/once/buckets/b/keys/k';
  assert.equal((await send('PUT', url, text, 'first')).status, 204);
  const { body, headers } = await send('GET', url);
  assert.equal(body, 'first');
  const vclock = String(headers['x-riak-vclock']);
  assert.equal((await send('PUT', url, { ...text, 'X-Riak-Vclock': vclock }, 'second')).status, 204);
  assert.equal((await send('PUT', url, { ...text, 'If-None-Match': 'never' }, 'third')).status, 204);
  const again = await send('GET', url);
  assert.deepEqual([again.status, again.body, again.headers['x-riak-vclock']], [200, 'first', vclock]);
  const shown = await send('PUT', `${url}?returnbody=true`, text, 'fourth');
  assert.deepEqual([shown.status, shown.body], [200, 'fourth'], 'what was sent, not what stays');
});

test('quorums are kept, and too many are refused', async () => {
  await using node = await serveOnce();
  const send = sendTo(node);
  const url = '/types/once/buckets/b/keys/k';
  assert.equal((await send('PUT', `${url}?w=3&dw=3&pw=3`, text, 'v')).status, 204);
  assert.equal((await send('PUT', `${url}?w=4`, text, 'v')).status, 400);
  assert.equal((await send('PUT', `${url}?pw=4`, text, 'v')).status, 400);
});

test('a deleted key is gone, and stays so while its tombstone is there; indexes and listings know the object', async () => {
  await using node = await serveOnce();
  const send = sendTo(node);
  const url = '/types/once/buckets/b/keys/k';
  const indexed = { ...text, 'x-riak-index-colour_bin': 'red' };
  assert.equal((await send('PUT', url, indexed, 'v')).status, 204);
  assert.equal((await send('PUT', url, { ...text, 'x-riak-index-colour_bin': 'blue' }, 'w')).status, 204);
  assert.match((await send('GET', '/types/once/buckets/b/keys?keys=true')).body, /"k"/);
  assert.equal((await send('DELETE', url)).status, 204);
  const gone = await send('GET', url);
  assert.deepEqual([gone.status, gone.headers['x-riak-deleted']], [404, 'true']);
  assert.equal((await send('DELETE', url)).status, 404);
  assert.equal((await send('PUT', url, text, 'late')).status, 204);
  assert.equal((await send('GET', url)).status, 404, 'delete_mode is keep here');
});

test('a type says so when it is made, never later, and not beside a data type', async () => {
  await using node = await serveOnce();
  const send = sendTo(node);
  assert.equal(JSON.parse((await send('GET', '/types/once/props')).body).props.write_once, true);
  const json = { 'Content-Type': 'application/json' };
  const refused = await send('PUT', '/types/once/props', json, '{"props":{"write_once":false}}');
  assert.deepEqual([refused.status, refused.body], [400, '{"write_once":"cannot_be_changed"}']);
  const map = await node.store.bucketTypes
    .create(byteLiteral('map'), {
      write_once: true,
      custom: new Map([['datatype', 'map']]),
    })
    .catch((error: unknown) => error);
  assert.match(JSON.stringify(map), /not_with_datatype/);
});
