/** Bucket types over HTTP. They are made by the administrator's tool: here by the store itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BucketPropertyChanges } from '../../../src/kv/index.ts';
import { bytesOfText } from '../../../src/stdx/index.ts';
import { type ServedNode, sendTo, serveNode } from './served-node.ts';

const text = { 'Content-Type': 'text/plain' };
const json = { 'Content-Type': 'application/json' };

async function makeType(node: ServedNode, name: string, changes: BucketPropertyChanges = {}) {
  const { bucketTypes } = node.store;
  assert.equal(await bucketTypes.create(bytesOfText(name), changes), undefined);
  assert.equal(await bucketTypes.activate(bytesOfText(name)), undefined);
}

test('a type has the properties of a real node\u2019s, and is not found before it is active', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const t = bytesOfText('t');
  await node.store.bucketTypes.create(t, {});
  assert.equal((await send('GET', '/types/t/props')).status, 404);
  const early = await send('PUT', '/types/t/buckets/b/keys/k', text, 'x');
  assert.deepEqual([early.status, early.body], [404, 'Unknown bucket type: t']);
  const unknown = await send('PUT', '/types/t/props', json, '{"props":{"n_val":2}}');
  assert.deepEqual([unknown.status, unknown.body], [404, 'Cannot modify unknown bucket type: t\n']);
  await node.store.bucketTypes.activate(t);
  // As observed of Riak 3.2.0, but for `datatype` and `claimant`.
  const observed = {
    young_vclock: 20,
    w: 'quorum',
    sync_on_write: 'backend',
    small_vclock: 50,
    rw: 'quorum',
    r: 'quorum',
    pw: 0,
    precommit: [],
    pr: 0,
    postcommit: [],
    old_vclock: 86_400,
    notfound_ok: true,
    node_confirms: 0,
    n_val: 3,
    linkfun: { mod: 'riak_kv_wm_link_walker', fun: 'mapreduce_linkfun' },
    last_write_wins: false,
    dw: 'quorum',
    dvv_enabled: true,
    chash_keyfun: { mod: 'riak_core_util', fun: 'chash_std_keyfun' },
    big_vclock: 50,
    basic_quorum: false,
    allow_mult: true,
    active: true,
  };
  const { props } = JSON.parse((await send('GET', '/types/t/props')).body);
  assert.deepEqual(props, { ...observed, write_once: false });
  const ofBucket = JSON.parse((await send('GET', '/types/t/buckets/b/props')).body).props;
  assert.deepEqual(ofBucket, { name: 'b', ...props });
});

test('the same name in two types and in none is three objects, listed apart', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  await makeType(node, 't');
  await makeType(node, 'a b/ü');
  const roots = ['', '/types/t', `/types/${encodeURIComponent('a b/ü')}`];
  for (const root of roots) {
    assert.equal((await send('PUT', `${root}/buckets/b/keys/k`, text, `in ${root}`)).status, 204);
  }
  await send('PUT', '/types/t/buckets/only/keys/t', text, 'x');
  for (const root of roots) {
    assert.equal((await send('GET', `${root}/buckets/b/keys/k`)).body, `in ${root}`);
    assert.equal((await send('GET', `${root}/buckets/b/keys?keys=true`)).body, '{"keys":["k"]}');
    const { buckets } = JSON.parse((await send('GET', `${root}/buckets?buckets=true`)).body);
    assert.deepEqual(buckets.sort(), root === '/types/t' ? ['b', 'only'] : ['b']);
  }
  const made = await send('POST', '/types/t/buckets/made/keys', text, 'x');
  assert.match(String(made.headers.location), /^\/types\/t\/buckets\/made\/keys\/\w+$/);
  assert.equal((await send('DELETE', '/types/t/buckets/b/keys/k')).status, 204);
  assert.equal((await send('GET', '/types/t/buckets/b/keys/k')).status, 404);
  assert.equal((await send('GET', '/buckets/b/keys/k')).status, 200);
});

test('a typed bucket keeps siblings, unless its type does not', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  await makeType(node, 'many');
  await makeType(node, 'one', { allow_mult: false });
  for (const [type, status] of [
    ['many', 300],
    ['one', 200],
  ] as const) {
    for (const value of ['x', 'y']) await send('PUT', `/types/${type}/buckets/b/keys/k`, text, value);
    assert.equal((await send('GET', `/types/${type}/buckets/b/keys/k`)).status, status);
  }
});

test('the properties of an active type are set, refused and inherited', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  await makeType(node, 't');
  const url = '/types/t/props';
  const nValOf = async (target: string) => JSON.parse((await send('GET', target)).body).props.n_val;
  const set = await send('PUT', url, json, '{"props":{"n_val":2,"my_own":"v"}}');
  assert.deepEqual([set.status, set.body], [204, '']);
  assert.deepEqual([await nValOf(url), await nValOf('/types/t/buckets/b/props')], [2, 2]);
  assert.equal((await send('PUT', '/types/t/buckets/b/props', json, '{"props":{"n_val":1}}')).status, 204);
  assert.deepEqual([await nValOf(url), await nValOf('/types/t/buckets/b/props')], [2, 1]);
  assert.equal(await nValOf('/buckets/b/props'), 3);
  assert.equal((await send('DELETE', '/types/t/buckets/b/props')).status, 204);
  assert.equal(await nValOf('/types/t/buckets/b/props'), 2);
  for (const [body, problems] of [
    ['{"props":{"n_val":0,"allow_mult":1}}', { n_val: 'not_integer', allow_mult: 'not_boolean' }],
    ['{"props":{"last_write_wins":true}}', { last_write_wins: 'not_with_dvv_enabled' }],
    ['{"props":{"datatype":"counter"}}', { datatype: 'cannot_be_changed' }],
    ['{"props":{"write_once":true}}', { write_once: 'cannot_be_changed' }],
  ] as const) {
    for (const target of [url, '/types/t/buckets/b/props']) {
      const refused = await send('PUT', target, json, body);
      assert.deepEqual([refused.status, JSON.parse(refused.body)], [400, problems]);
    }
  }
  const form = 'bucket PUT must be a JSON object of the form:\n{"props":{...bucket properties...}}\n';
  const formless = await send('PUT', url, json, '{"n_val":3}');
  assert.deepEqual([formless.status, formless.body], [400, form]);
  assert.equal((await send('PUT', url, text, '{"props":{}}')).status, 415);
  assert.equal((await send('POST', url, json, '{"props":{}}')).status, 405);
  assert.equal((await send('PUT', '/types/default/props', json, '{"props":{}}')).status, 403);
  // What a program has read it may write back.
  const all = (await send('GET', url)).body;
  assert.equal((await send('PUT', url, json, all)).status, 204);
  assert.equal((await send('GET', url)).body, all);
});
