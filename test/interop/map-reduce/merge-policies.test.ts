/** Merge policies over HTTP; functions in real sandbox processes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JobNode, startJobNode } from './job-node.ts';

/** Longer than `mergePauseMs`, after which a merge that found no time on a busy machine is tried again. */
const waitMsMax = 30_000;

async function setProps(node: JobNode, props: object): Promise<Response> {
  return fetch(`${node.url}/buckets/b/props`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ props }),
  });
}

async function write(node: JobNode, body: string): Promise<number> {
  const headers = { 'Content-Type': 'application/json', 'X-Riak-Index-n_int': String(body.length) };
  const answer = await fetch(`${node.url}/buckets/b/keys/k`, { method: 'PUT', headers, body });
  await answer.text();
  return answer.status;
}

async function read(node: JobNode): Promise<readonly [number, string]> {
  const answer = await fetch(`${node.url}/buckets/b/keys/k`);
  return [answer.status, await answer.text()];
}

async function untilOne(node: JobNode): Promise<string> {
  for (const end = Date.now() + waitMsMax; Date.now() < end; await sleep(20)) {
    const [status, body] = await read(node);
    if (status === 200) return body;
  }
  throw new Error('the siblings are not merged');
}

test('union: blind writers of sets leave one set', async () => {
  await using node = await startJobNode({});
  const set = await setProps(node, { allow_mult: true, siblings_max: 2, merge_policy: 'union' });
  assert.equal(set.status, 204);
  for (const element of [3, 1]) assert.equal(await write(node, JSON.stringify([element])), 204);
  assert.equal((await read(node))[0], 300, 'as many as may be');
  assert.equal(await write(node, '[2]'), 204);
  assert.deepEqual(await read(node), [200, '[1,2,3]']);
  const props = await (await fetch(`${node.url}/buckets/b/props`)).json();
  const { siblings_max, merge_policy } = (props as { props: Record<string, unknown> }).props;
  assert.deepEqual([siblings_max, merge_policy], [2, 'union']);
});

test('a function merges what there is too much of, behind the answer; one that fails loses nothing', async () => {
  await using node = await startJobNode({});
  const source = `function(object) {
    var value = object.values[0];
    value.data = JSON.stringify(object.values.map(function(v) { return JSON.parse(v.data); }).sort());
    return { values: [value] };
  }`;
  await node.put('/buckets/functions/keys/merge', source);
  await node.put('/buckets/functions/keys/broken', 'function() { for (;;); }');
  await setProps(node, { allow_mult: true, siblings_max: 1, merge_policy: { name: 'functions/merge' } });
  for (const value of ['"b"', '"a"']) assert.equal(await write(node, value), 204);
  assert.equal(await untilOne(node), '["a","b"]');
  await setProps(node, { merge_policy: { name: 'functions/broken' } });
  assert.equal(await write(node, '"c"'), 204);
  await sleep(1500);
  const [status, body] = await read(node);
  assert.equal(status, 300, body);
});

test('what does not go together is refused by name', async () => {
  await using node = await startJobNode({});
  for (const [props, problems] of [
    [{ merge_policy: 'newest' }, { merge_policy: 'not_merge_policy' }],
    [{ siblings_max: -1 }, { siblings_max: 'not_integer' }],
    [{ allow_mult: true, merge_policy: 'lww' }, { merge_policy: 'needs_siblings_max' }],
    [{ siblings_max: 1, merge_policy: 'lww' }, { merge_policy: 'needs_allow_mult' }],
    [
      { allow_mult: true, siblings_max: 1, merge_policy: { name: 'nothing' } },
      { merge_policy: 'unknown_function' },
    ],
  ] as const) {
    const refused = await setProps(node, props);
    assert.deepEqual([refused.status, await refused.json()], [400, problems]);
  }
});
