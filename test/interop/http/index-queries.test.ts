/** Secondary indexes over HTTP: what was observed of a real Riak node, and what must not be asked of any. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Answer, type Send, type ServedNode, sendTo, serveNode } from './served-node.ts';

let node: ServedNode;
let send: Send;
const bucket = '/buckets/idx2';

before(async () => {
  node = await serveNode();
  send = sendTo(node);
  for (let i = 0; i < 10; i += 1) {
    const headers = {
      'Content-Type': 'text/plain',
      'X-Riak-Index-N_int': `${i * 10}`,
      'x-riak-index-dup_bin': 'same',
      'X-Riak-Index-name_bin': `name ${i}, all`,
    };
    assert.equal((await send('PUT', `${bucket}/keys/k${i}`, headers, 'v')).status, 204);
  }
});
after(() => node[Symbol.asyncDispose]());

const ask = (path: string): Promise<Answer> => send('GET', `${bucket}/index/${path}`);
interface Page {
  readonly keys?: readonly string[];
  readonly results?: readonly unknown[];
  readonly continuation?: string;
}
const json = async (path: string): Promise<Page> => {
  const { status, headers, body } = await ask(path);
  assert.equal(status, 200, body);
  assert.equal(headers['content-type'], 'application/json');
  return JSON.parse(body) as Page;
};
const keys = (...numbers: number[]) => numbers.map((n) => `k${n}`);

test('exact terms, ranges with both ends, and integers by value', async () => {
  assert.deepEqual(await json('n_int/30'), { keys: keys(3) });
  assert.deepEqual(await json('n_int/20/50'), { keys: keys(2, 3, 4, 5) });
  assert.deepEqual(await json('n_int/-5/5'), { keys: keys(0) });
  assert.deepEqual(await json('n_int/5/9'), { keys: [] });
  assert.deepEqual(await json('n_int/50/20'), { keys: [] }, 'a range the wrong way round holds nothing');
  assert.deepEqual(await json('N_INT/+030'), { keys: keys(3) });
  assert.deepEqual(await json('dup_bin/same'), { keys: keys(0, 1, 2, 3, 4, 5, 6, 7, 8, 9) });
  assert.deepEqual(await json('name_bin/name%203'), { keys: keys(3) });
  assert.deepEqual(await json('none_bin/a/z'), { keys: [] });
});

test('return_terms: with ranges of ordinary indexes, and one line for each term of a key', async () => {
  const results = [{ 20: 'k2' }, { 30: 'k3' }];
  assert.deepEqual(await json('n_int/20/30?return_terms=true'), { results });
  assert.deepEqual(await json('n_int/30?return_terms=true'), { keys: keys(3) });
  assert.deepEqual(await json('$key/k3/k4?return_terms=true'), { keys: keys(3, 4) });
  assert.deepEqual(await json('name_bin/a/z?return_terms=true&max_results=11&term_regex=[1l]'), {
    results: [...keys(0, 1, 2, 3, 4, 5, 6, 7, 8, 9).map((key) => ({ all: key })), { 'name 1': 'k1' }],
    continuation: await continuationOf('name_bin/a/z?max_results=11&term_regex=[1l]'),
  });
  assert.equal((await json('name_bin/a/z')).keys?.length, 20);
});

async function continuationOf(path: string): Promise<string> {
  return String((await json(path)).continuation);
}

test('pages: a continuation exactly if the page is full, and the last may be empty', async () => {
  const pages: unknown[] = [];
  let rest = '';
  for (;;) {
    const page = await json(`n_int/0/90?max_results=5${rest}`);
    pages.push(page.keys);
    if (page.continuation === undefined) break;
    rest = `&continuation=${encodeURIComponent(String(page.continuation))}`;
  }
  assert.deepEqual(pages, [keys(0, 1, 2, 3, 4), keys(5, 6, 7, 8, 9), []]);
  const { continuation } = await json('n_int/0/90?max_results=3&return_terms=true');
  assert.deepEqual(await json(`n_int/0/90?max_results=30&continuation=${continuation}`), {
    keys: keys(3, 4, 5, 6, 7, 8, 9),
  });
  assert.deepEqual(await json(`n_int/0/10?max_results=3&continuation=${continuation}`), { keys: [] });
  assert.deepEqual((await json('n_int/0/90?pagination_sort=true')).keys, keys(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
});

test('$key and $bucket: keys as they are, without tombstones', async () => {
  assert.deepEqual(await json('$key/k2/k4'), { keys: keys(2, 3, 4) });
  assert.deepEqual(await json('$key/k2'), { keys: keys(2) });
  assert.deepEqual(await json('$bucket/_'), { keys: keys(0, 1, 2, 3, 4, 5, 6, 7, 8, 9) });
  assert.equal((await send('DELETE', `${bucket}/keys/k4`)).status, 204);
  assert.deepEqual(await json('$key/k2/k5'), { keys: keys(2, 3, 5) });
  assert.deepEqual(await json('$bucket/whatever?max_results=3'), {
    keys: keys(0, 1, 2),
    continuation: await continuationOf('$bucket/_?max_results=3'),
  });
  assert.deepEqual(await json('n_int/40'), { keys: [] });
  const listed = JSON.parse((await send('GET', `${bucket}/keys?keys=true`)).body) as { keys: string[] };
  assert.equal(listed.keys.length, 10, 'a listing of keys shows tombstones');
  const headers = { 'Content-Type': 'text/plain', 'x-riak-index-n_int': '40' };
  assert.equal((await send('PUT', `${bucket}/keys/k4`, headers, 'v')).status, 204);
  assert.deepEqual(await json('n_int/40'), { keys: keys(4) });
  assert.deepEqual(await json('$key/k4'), { keys: keys(4) });
});

test('stream: parts of multipart/mixed, the continuation alone in the last', async () => {
  const streamed = await ask('n_int/0/90?stream=true&return_terms=true&max_results=3');
  const type = String(streamed.headers['content-type']);
  const boundary = /^multipart\/mixed;boundary=(\w+)$/.exec(type)?.[1];
  assert.ok(boundary !== undefined, type);
  const continuation = await continuationOf('n_int/0/90?max_results=3');
  const part = (text: string) => `\r\n--${boundary}\r\nContent-Type: application/json\r\n\r\n${text}`;
  assert.equal(
    streamed.body,
    `${part('{"results":[{"0":"k0"},{"10":"k1"},{"20":"k2"}]}')}${part(JSON.stringify({ continuation }))}\r\n--${boundary}--\r\n`,
  );
  const empty = await ask('n_int/7/8?stream=true');
  assert.match(empty.body, /^\r\n--\w+--\r\n$/);
});

test('what is no query gets 400 and says why', async () => {
  const refusals: readonly (readonly [string, string | RegExp])[] = [
    ['age/42', 'Invalid query: {unknown_field_type,<<"age">>}'],
    ['age_int/abc', 'Invalid query: {field_parsing_failed,{<<"age_int">>,<<"abc">>}}'],
    ['age_int/1/2?max_results=-1', 'Invalid "max_results". -1 is not a positive integer'],
    ['age_int/1/2?max_results=0', 'Invalid "max_results". 0 is not a positive integer'],
    ['age_int/1/2?max_results=x', 'Invalid "max_results". "x" is not a positive integer'],
    ['age_int/1/2?return_terms=x', 'Invalid "return_terms". "x" is not a boolean'],
    ['age_int/1/2?timeout=-1', 'Bad timeout value "-1". Must be a non-negative integer\n'],
    ['age_int/1/2?term_regex=1', 'Can not use term regular expressions on integer queries'],
    ['a_bin/1/2?term_regex=(', /^Invalid term regular expression "\(" : /],
    ['a_bin/1/2?term_regex=(a)%5C1', /^Invalid term regular expression /],
    [`a_bin/1/2?term_regex=${'a'.repeat(2000)}`, /longer than 1024 bytes$/],
    ['a_bin/1/2?term_regex=((a{100}){10}){10}', /^Invalid term regular expression /],
    ['n_int/0/90?max_results=3&continuation=zzz', /^Invalid "continuation"\./],
    ['a_bin', /^Invalid query/],
    ['a_bin/1/2/3', /^Invalid query/],
  ];
  for (const [path, text] of refusals) {
    const { status, body, headers } = await ask(path);
    assert.equal(status, 400, path);
    assert.equal(headers['content-type'], 'text/plain');
    if (typeof text === 'string') assert.equal(body, text);
    else assert.match(body, text);
  }
  const { continuation } = await json('n_int/0/90?max_results=3');
  assert.equal((await ask(`dup_bin/same?continuation=${continuation}`)).status, 400, 'of another index');
  const unknown = await send('GET', '/types/none/buckets/b/index/a_bin/1');
  assert.deepEqual([unknown.status, unknown.body], [404, 'Unknown bucket type: none']);
});

test('hostile terms: zero bytes, bytes that are no text, names of the language, an exponential expression', async () => {
  const odd = '/buckets/odd/keys';
  const terms: readonly [string, string][] = [
    ['zero', 'a%00b'],
    ['high', '%ff%fe'],
    ['proto', '__proto__'],
    ['long', 'x'.repeat(5000)],
  ];
  const content = { 'Content-Type': 'text/plain' };
  for (const [key, term] of terms) {
    const raw = Buffer.from(decodeLatin1(term), 'latin1').toString('latin1');
    // A header cannot carry a zero byte; the store can.
    if (key === 'zero') continue;
    const headers = { ...content, 'x-riak-index-t_bin': raw };
    assert.equal((await send('PUT', `${odd}/${key}`, headers, 'v')).status, 204, key);
  }
  const find = async (path: string) => {
    const { body } = await send('GET', `/buckets/odd/index/${path}`);
    return (JSON.parse(body) as { keys: string[] }).keys;
  };
  for (const [key, term] of terms.slice(1)) assert.deepEqual(await find(`t_bin/${term}`), [key]);
  assert.deepEqual(await find('t_bin/a%00b'), []);
  assert.deepEqual(await find('t_bin/%00/%ff%ff'), ['proto', 'long', 'high']);
  const startedAt = performance.now();
  assert.deepEqual(await find('t_bin/%00/%ff%ff?term_regex=(x%2Bx%2B)%2By'), []);
  assert.ok(performance.now() - startedAt < 2000, 'linear in the length of the term');
  const shown = JSON.parse(
    (await send('GET', '/buckets/odd/index/t_bin/_/a?return_terms=true')).body,
    (_key, value: unknown) => value,
  ) as { results: object[] };
  assert.equal(JSON.stringify(shown.results), '[{"__proto__":"proto"}]');
});

function decodeLatin1(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

test('counts: of a bucket, and of a range', async () => {
  assert.deepEqual(await json('$bucket/_?count=true'), { count: 10 });
  assert.deepEqual(await json('n_int/20/50?count=true'), { count: 4 });
  assert.deepEqual(await json('name_bin/a/z?count=true'), { count: 18 });
});
