/** Link walking and preference lists over HTTP, as exchanges with a real Riak node look. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkedObjectsMax } from '../../../src/api/http/index.ts';
import { type Send, sendTo, serveNode } from './served-node.ts';

const text = { 'Content-Type': 'text/plain' };

async function put(send: Send, path: string, value: string, ...links: string[]): Promise<void> {
  const headers = links.length === 0 ? text : { ...text, Link: links.join(', ') };
  assert.equal((await send('PUT', path, headers, value)).status, 204);
}

const link = (bucket: string, key: string, tag: string): string =>
  `</buckets/${bucket}/keys/${key}>; riaktag="${tag}"`;

/** The values of the answer, in a list for each step that is shown. */
function valuesOf(body: string, contentType: unknown): string[][] {
  const boundary = /^multipart\/mixed; boundary=(\w+)$/.exec(String(contentType))?.[1];
  assert.ok(boundary, String(contentType));
  assert.ok(body.startsWith(`\r\n--${boundary}`) && body.endsWith(`\r\n--${boundary}--\r\n`), body);
  const steps = body.split(`\r\n--${boundary}`).slice(1, -1);
  return steps.map((step) => {
    const inner = /^\r\nContent-Type: multipart\/mixed; boundary=(\w+)\r\n/.exec(step);
    assert.ok(inner, step);
    const parts = step.slice(inner[0].length).split(`\r\n--${inner[1]}`);
    assert.equal(parts.at(-1), '--\r\n');
    return parts.slice(1, -1).map((part) => {
      assert.match(part, /^\r\nX-Riak-Vclock: \S+\r\nLocation: \S+\r\nContent-Type: /);
      return part.slice(part.indexOf('\r\n\r\n') + 4);
    });
  });
}

test('a walk of one step answers with the bytes that Riak answers with', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  await put(send, '/buckets/tb3/keys/k1', 'x3');
  await put(send, '/buckets/tb3/keys/rich', 'v', link('tb3', 'k1', 'friend'));
  for (const [url, style] of [
    ['/buckets/tb3/keys/rich/tb3,friend,1', 'buckets/tb3/keys'],
    ['/riak/tb3/rich/_,_,_', 'riak/tb3'],
    ['/types/default/buckets/tb3/keys/rich/_,friend,_?x=/y', 'buckets/tb3/keys'],
  ] as const) {
    const answer = await send('GET', url);
    assert.equal(answer.status, 200);
    const [outer, inner] = [
      ...`${String(answer.headers['content-type'])}\r\n${answer.body}`.matchAll(/boundary=(\w+)/g),
    ].map((match) => match[1]);
    const got = await send('GET', '/buckets/tb3/keys/k1');
    const up = style === 'riak/tb3' ? '/riak/tb3' : '/buckets/tb3';
    assert.equal(
      answer.body,
      `\r\n--${outer}\r\nContent-Type: multipart/mixed; boundary=${inner}\r\n` +
        `\r\n--${inner}\r\nX-Riak-Vclock: ${String(got.headers['x-riak-vclock'])}\r\nLocation: /${style}/k1\r\n` +
        `Content-Type: text/plain\r\nLink: <${up}>; rel="up"\r\n` +
        `Etag: ${String(got.headers.etag).slice(1, -1)}\r\nLast-Modified: ${String(got.headers['last-modified'])}\r\n\r\nx3` +
        `\r\n--${inner}--\r\n\r\n--${outer}--\r\n`,
    );
    const expires = Date.parse(String(answer.headers.expires)) - Date.parse(String(answer.headers.date));
    assert.ok(Math.abs(expires - 600_000) <= 2000, String(expires));
  }
});

test('a walk follows bucket and tag, keeps what it is told to, and shows each object once', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  await put(send, '/buckets/a/keys/1', 'a1', link('b', '1', 'x'), link('b', '2', 'y'), link('c', '1', 'x'));
  await put(send, '/buckets/b/keys/1', 'b1', link('c', '2', 'z'), link('c', 'gone', 'z'));
  await put(send, '/buckets/b/keys/2', 'b2', link('c', '2', 'z'), link('d%2Ce', '1%2F2', 'p%20q'));
  await put(send, '/buckets/c/keys/1', 'c1');
  await put(send, '/buckets/c/keys/2', 'c2', link('a', '1', 'back'));
  await put(send, '/buckets/d%2Ce/keys/1%2F2', 'odd');
  const walked = async (steps: string): Promise<string[][]> => {
    const answer = await send('GET', `/buckets/a/keys/1/${steps}`);
    assert.equal(answer.status, 200, steps);
    return valuesOf(answer.body, answer.headers['content-type']);
  };
  assert.deepEqual(await walked('_,_,_'), [['b1', 'b2', 'c1']]);
  assert.deepEqual(await walked('b,_,_'), [['b1', 'b2']]);
  assert.deepEqual(await walked('_,x,_'), [['b1', 'c1']]);
  assert.deepEqual(await walked('b,x,_'), [['b1']]);
  assert.deepEqual(await walked('b,none,_'), [[]]);
  assert.deepEqual(await walked('b,_,_/c,_,_'), [['c2']], 'both lead to it; what is gone is left out');
  assert.deepEqual(await walked('b,_,1/c,_,_'), [['b1', 'b2'], ['c2']]);
  assert.deepEqual(await walked('b,_,1/c,_,0'), [['b1', 'b2']]);
  assert.deepEqual(await walked('b,_,0/c,_,0'), []);
  assert.deepEqual(await walked('b,y,_/d%2Ce,p%20q,_'), [['odd']]);
  assert.deepEqual(await walked('b,_,_/c,_,_/a,back,1/_,_,1'), [['a1'], ['b1', 'b2', 'c1']], 'a circle');
  assert.deepEqual(await walked('none,_,1/_,_,1/_,_,_'), [[], [], []]);
});

test('an object with siblings leads where any of them does, and shows them all', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const props = JSON.stringify({ props: { allow_mult: true } });
  assert.equal(
    (await send('PUT', '/buckets/s/props', { 'Content-Type': 'application/json' }, props)).status,
    204,
  );
  await put(send, '/buckets/s/keys/k', 'one', link('s', 'l', 't'));
  await put(send, '/buckets/s/keys/k', 'two', link('s', 'm', 't'));
  await put(send, '/buckets/s/keys/l', 'l');
  await put(send, '/buckets/s/keys/m', 'm', link('s', 'k', 't'));
  const walk = await send('GET', '/buckets/s/keys/k/_,_,1/_,_,1');
  const [first, second] = valuesOf(walk.body, walk.headers['content-type']);
  assert.deepEqual(first, ['l', 'm']);
  assert.deepEqual(second?.sort(), ['one', 'two']);
});

test('what is no walk is refused with a sentence', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  await put(send, '/buckets/a/keys/1', 'v');
  const steps = (count: number): string => Array(count).fill('_,_,_').join('/');
  for (const walk of [
    '_,_',
    '_,_,_,_',
    '_,_,2',
    ',_,_',
    '_,,_',
    '_,_,',
    'nonsense',
    `${steps(2)}/x`,
    steps(17),
  ]) {
    const answer = await send('GET', `/buckets/a/keys/1/${walk}`);
    assert.equal(answer.status, 400, walk);
    assert.match(answer.body, /^Invalid link walk query\./);
  }
  assert.equal((await send('GET', `/buckets/a/keys/1/${steps(16)}`)).status, 200);
  assert.equal((await send('GET', '/buckets/a/keys/none/_,_,_')).status, 404);
  assert.equal((await send('GET', '/buckets/a/keys/1/_,_,_?timeout=soon')).status, 400);
  const typed = await send('GET', '/types/t/buckets/a/keys/1/_,_,_');
  assert.deepEqual(
    [typed.status, typed.body],
    [403, 'Link-walking is not allowed on keys stored in bucket-types.\n'],
  );
  assert.equal((await send('POST', '/buckets/a/keys/1/_,_,_')).status, 204);
  assert.equal((await send('DELETE', '/buckets/a/keys/1/_,_,_')).status, 405);
  assert.equal((await send('GET', '/riak/a/1/preflist')).status, 400);
});

test('a walk to too many objects ends before it reads them', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const keys = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => link('t', `${from + i}`, 'x'));
  // Three objects, since the head of a request has a limit too.
  const count = Math.ceil((linkedObjectsMax + 1) / 10);
  for (let at = 0; at < 10; at += 1)
    await put(send, `/buckets/h/keys/${at}`, 'v', ...keys(at * count, count));
  await put(
    send,
    '/buckets/h/keys/start',
    'v',
    ...Array.from({ length: 10 }, (_, at) => link('h', `${at}`, 'y')),
  );
  const walk = await send('GET', '/buckets/h/keys/start/h,y,_/t,_,_');
  assert.equal(walk.status, 400);
  assert.match(walk.body, /^Step 2 leads to more than 1000 objects/);
});

test('a preference list is shown by the numbers of the ring', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const step = 2n ** 154n;
  const shown = (...partitions: bigint[]): string =>
    `{"preflist":[${partitions
      .map((partition) => `{"partition":${partition * step},"node":"riak@127.0.0.1","primary":true}`)
      .join(',')}]}`;
  const answer = await send('GET', '/buckets/b/keys/f/preflist');
  assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/json']);
  assert.equal(answer.body, shown(52n, 53n, 54n));
  assert.equal((await send('GET', '/types/default/buckets/pb3/keys/k/preflist')).body, shown(17n, 18n, 19n));
  const unknown = await send('GET', '/types/none/buckets/b/keys/f/preflist');
  assert.deepEqual([unknown.status, unknown.body], [404, 'Unknown bucket type: none']);
});
