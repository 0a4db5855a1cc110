/** Objects over HTTP, as exchanges with a real Riak node look (statuses, headers, bodies). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteLiteral } from '../../../src/stdx/index.ts';
import { encodeContent } from '../../../src/wire/index.ts';
import { type Answer, exchangeBytes, type Send, sendTo, serveNode } from './served-node.ts';

const text = { 'Content-Type': 'text/plain' };
const httpDate = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/;

async function withSiblings(send: Send, url: string, ...values: string[]): Promise<void> {
  const props = JSON.stringify({ props: { allow_mult: true } });
  const bucket = url.slice(0, url.indexOf('/keys/'));
  const set = await send('PUT', `${bucket}/props`, { 'Content-Type': 'application/json' }, props);
  assert.equal(set.status, 204);
  for (const value of values) assert.equal((await send('PUT', url, text, value)).status, 204);
}

function vclockOf(answer: Answer): string {
  const vclock = answer.headers['x-riak-vclock'];
  assert.ok(typeof vclock === 'string' && vclock !== '');
  return vclock;
}

test('put, get and head in the three URL styles', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const put = await send('PUT', '/buckets/b/keys/k', text, 'hello');
  assert.deepEqual([put.status, put.body, put.headers['content-length']], [204, '', undefined]);
  assert.deepEqual([put.headers['content-type'], put.headers.vary], ['text/plain', 'Accept-Encoding']);
  for (const [url, link] of [
    ['/buckets/b/keys/k', '</buckets/b>; rel="up"'],
    ['/riak/b/k', '</riak/b>; rel="up"'],
    ['/types/default/buckets/b/keys/k', '</buckets/b>; rel="up"'],
    ['//buckets/b/keys/k/', '</buckets/b>; rel="up"'],
  ] as const) {
    const got = await send('GET', url);
    assert.deepEqual([got.status, got.body], [200, 'hello']);
    assert.equal(got.headers.link, link);
    assert.match(String(got.headers.etag), /^"[0-9A-Za-z]+"$/);
    assert.match(String(got.headers['last-modified']), httpDate);
    assert.equal(got.headers.vary, 'Accept-Encoding');
    assert.equal(got.headers['content-type'], 'text/plain');
    vclockOf(got);
    const head = await send('HEAD', url);
    assert.deepEqual([head.status, head.body, head.headers['content-length']], [200, '', '5']);
    assert.equal(head.headers.etag, got.headers.etag);
  }
});

test('what is not there is 404 with the text that clients know', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  for (const method of ['GET', 'DELETE']) {
    const missing = await send(method, '/buckets/b/keys/none');
    assert.deepEqual([missing.status, missing.body], [404, 'not found\n']);
    assert.equal(missing.headers['content-type'], 'text/plain');
  }
  const head = await send('HEAD', '/buckets/b/keys/none');
  assert.deepEqual([head.status, head.headers['content-length']], [404, '10']);
});

test('a deleted object is 404 with its tombstone, whose context lets the key be used again', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const url = '/buckets/b/keys/k';
  await withSiblings(send, url, 'a');
  const removed = await send('DELETE', url);
  assert.deepEqual([removed.status, removed.body, removed.headers['content-type']], [204, '', 'text/html']);
  const gone = await send('GET', url);
  assert.deepEqual([gone.status, gone.body, gone.headers['x-riak-deleted']], [404, 'not found\n', 'true']);
  assert.equal((await send('DELETE', url)).status, 404);
  assert.equal((await send('PUT', url, { ...text, 'X-Riak-Vclock': vclockOf(gone) }, 'b')).status, 204);
  assert.equal((await send('GET', url)).body, 'b');
  const blind = await send('DELETE', '/buckets/b/keys/never', { 'X-Riak-Vclock': vclockOf(gone) });
  assert.equal(blind.status, 204, 'with a context, nothing is looked up');
});

test('metadata, indexes, links, charset and encoding come back', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const url = '/buckets/b/keys/rich';
  const put = await send(
    'PUT',
    url,
    {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Encoding': 'compress',
      'X-Riak-Meta-Colour': 'R\u00e9d',
      'X-Riak-Index-Age_Int': '+042',
      'x-riak-index-name_bin': 'bob, alice,carol',
      Link: '</buckets/b/keys/k%201>; riaktag="friend", </buckets/b>; rel="up"',
    },
    'rich',
  );
  assert.deepEqual([put.status, put.body], [204, '']);
  const got = await send('GET', url);
  assert.equal(got.headers['content-type'], 'text/plain; charset=utf-8');
  assert.equal(got.headers['content-encoding'], 'compress');
  assert.equal(got.headers.vary, undefined, 'a stored encoding leaves nothing to vary');
  assert.ok(got.rawHeaders.includes('X-Riak-Meta-Colour'), 'the name as it was sent');
  assert.equal(got.headers['x-riak-meta-colour'], 'R\u00e9d');
  assert.equal(got.headers['x-riak-index-age_int'], '42');
  assert.deepEqual(String(got.headers['x-riak-index-name_bin']).split(', ').sort(), ['alice,carol', 'bob']);
  assert.equal(got.headers.link, '</buckets/b/keys/k%201>; riaktag="friend", </buckets/b>; rel="up"');
});

test('headers and values are bytes, whatever the size of the value', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  for (const size of [1, 4096, 4097, 200_000]) {
    const value = Buffer.alloc(size, Buffer.from('\u00ff\u0000\u00e9', 'latin1'));
    await send('PUT', '/buckets/b/keys/k', { ...text, 'X-Riak-Meta-A': '\u00e9\u00ff' }, value);
    const got = await send('GET', '/buckets/b/keys/k');
    assert.ok(got.body === value.toString('latin1'), `${size} bytes`);
    assert.equal(got.headers['x-riak-meta-a'], '\u00e9\u00ff');
  }
});

test('bad requests get a 4xx with a sentence, never a 5xx, and store nothing', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const quorum =
    "query parameter must be an integer or one of the following words: 'one', 'quorum' or 'all'\n";
  const tooMany = 'Specified w/dw/pw/node_confirms values invalid for bucket n value of 3\n';
  const link = 'Invalid Link header. Links must be of the form\n</buckets/BUCKET/keys/KEY>; riaktag="TAG"\n';
  const cases: readonly [string, string, Record<string, string>, number, string | RegExp][] = [
    ['PUT', '', {}, 400, 'Missing Content-Type request header'],
    ['PUT', '', { 'Content-Type': 'x' }, 415, '"x" is not a valid media type for the Content-type header.\n'],
    ['PUT', '', { ...text, 'X-Riak-Vclock': '!!!notbase64' }, 400, /base64/],
    ['PUT', '', { ...text, 'X-Riak-Vclock': 'aGVsbG8=' }, 400, /context/],
    ['PUT', '', { ...text, Link: 'garbage' }, 400, link],
    [
      'PUT',
      '',
      { ...text, 'x-riak-index-age_int': 'abc' },
      400,
      "Could not parse field 'age_int', value 'abc'.\n",
    ],
    ['PUT', '', { ...text, 'x-riak-index-age': 'abc' }, 400, "Unknown field type for field: 'age'.\n"],
    ['PUT', '?w=bad', text, 400, `w ${quorum}`],
    ['PUT', '?w=5', text, 400, tooMany],
    ['GET', '?r=abc', {}, 400, `r ${quorum}`],
    ['GET', '?timeout=bad', {}, 400, 'Bad timeout value "bad"\n'],
    ['GET', '?notfound_ok=maybe', {}, 400, 'notfound_ok query parameter must be true or false\n'],
    ['GET', '?r=5', {}, 400, tooMany],
    ['DELETE', '?rw=bad', {}, 400, `rw ${quorum}`],
    ['DELETE', '', { 'X-Riak-Vclock': '%' }, 400, /base64/],
    ['OPTIONS', '', {}, 405, /Method Not Allowed/],
    ['PATCH', '', text, 501, /PATCH/],
  ];
  for (const [method, query, headers, status, body] of cases) {
    const name = `${method} ${query} ${JSON.stringify(headers)}`;
    const answer = await send(method, `/buckets/b/keys/k${query}`, headers, method === 'PUT' ? 'x' : '');
    assert.equal(answer.status, status, `${name}: ${answer.body}`);
    if (typeof body === 'string') assert.equal(answer.body, body, name);
    else assert.match(answer.body, body, name);
  }
  assert.equal((await send('GET', '/buckets/b/keys/k')).status, 404);
});

test('an unknown bucket type is 404 and named', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  for (const [method, headers] of [
    ['GET', {}],
    ['PUT', text],
  ] as const) {
    const answer = await send(method, '/types/nosuch/buckets/b/keys/k', headers, method === 'PUT' ? 'x' : '');
    assert.deepEqual([answer.status, answer.body], [404, 'Unknown bucket type: nosuch']);
  }
});

test('a post without a key makes one and names it in the style of the request', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  for (const [url, prefix] of [
    ['/buckets/a%20b/keys', '/buckets/a%20b/keys/'],
    ['/riak/a%20b', '/riak/a%20b/'],
    ['/types/default/buckets/a%20b/keys/', '/types/default/buckets/a%20b/keys/'],
  ] as const) {
    const made = await send('POST', url, text, 'auto');
    assert.deepEqual([made.status, made.body, made.headers['content-length']], [201, '', '0']);
    const location = String(made.headers.location);
    assert.ok(location.startsWith(prefix) && location.length > prefix.length, location);
    assert.equal((await send('GET', location)).body, 'auto');
    const shown = await send('POST', `${url}?returnbody=true`, text, 'auto');
    assert.deepEqual([shown.status, shown.body], [201, 'auto']);
    vclockOf(shown);
  }
});

test('names are any bytes', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  assert.equal((await send('PUT', '/buckets/__proto__/keys/a%2Fb%20c%C3%A9%00%FF', text, 'x')).status, 204);
  assert.equal((await send('GET', '/buckets/__proto__/keys/a%2fb+c%C3%A9%00%FF')).body, 'x');
  assert.equal((await send('GET', '/buckets/__proto__/keys/a%2fb')).status, 404);
  const inherited = await send(
    'PUT',
    '/riak/constructor/__proto__',
    { ...text, 'X-Riak-Meta-__proto__': 'v' },
    'y',
  );
  assert.equal(inherited.status, 204);
  const got = await send('GET', '/riak/constructor/__proto__');
  assert.equal(got.body, 'y');
  assert.ok(got.rawHeaders.includes('X-Riak-Meta-__proto__'));
});

test('siblings: 300 as a list of tags or as multipart, one by vtag, resolved by a write', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const url = '/buckets/sib/keys/s';
  await withSiblings(send, url, 'v1', '{"v":2}');
  const list = await send('GET', url);
  assert.deepEqual([list.status, list.headers.vary], [300, 'Accept, Accept-Encoding']);
  assert.equal(list.headers['content-type'], 'text/plain');
  assert.match(list.body, /^Siblings:\n[0-9A-Za-z]+\n[0-9A-Za-z]+\n$/);
  assert.match(String(list.headers.etag), /^"[0-9A-Za-z]{15,22}"$/);
  const vtags = list.body.trim().split('\n').slice(1);

  const parts = await send('GET', url, { Accept: 'multipart/mixed' });
  const boundary = /^multipart\/mixed; boundary=([0-9A-Za-z]+)$/.exec(
    String(parts.headers['content-type']),
  )?.[1];
  assert.ok(boundary !== undefined);
  const pieces = parts.body.split(`\r\n--${boundary}`);
  assert.deepEqual([pieces.length, pieces[0], pieces[3]], [4, '', '--\r\n']);
  const values = pieces.slice(1, 3).map((piece, i) => {
    const [head, value] = piece.split('\r\n\r\n');
    const lines = head!.trimStart().split('\r\n');
    assert.equal(lines[0], 'Content-Type: text/plain');
    assert.equal(lines[1], 'Link: </buckets/sib>; rel="up"');
    assert.equal(lines[2], `Etag: ${vtags[i]}`);
    assert.match(lines[3]!, /^Last-Modified: /);
    return value;
  });
  assert.deepEqual([...values].sort(), ['v1', '{"v":2}']);
  assert.match(
    String((await send('GET', url, { Accept: '*/*, multipart/mixed' })).headers['content-type']),
    /^multipart/,
  );
  assert.equal((await send('GET', url, { Accept: 'application/json' })).status, 406);

  const one = await send('GET', `${url}?vtag=${vtags[1]}`);
  assert.deepEqual([one.status, one.body, one.headers.etag], [200, values[1], `"${vtags[1]}"`]);
  assert.equal(one.headers['x-riak-vclock'], list.headers['x-riak-vclock']);
  assert.equal((await send('GET', `${url}?vtag=bogus`)).status, 404);

  const third = await send('PUT', `${url}?returnbody=true`, text, 'v3');
  assert.equal(third.status, 300);
  assert.match(String(third.headers['content-type']), /^multipart\/mixed; boundary=/);
  const merge = { ...text, 'X-Riak-Vclock': vclockOf(third) };
  assert.equal((await send('PUT', url, merge, 'merged')).status, 204);
  assert.deepEqual([(await send('GET', url)).status, (await send('GET', url)).body], [200, 'merged']);
});

test('a delete with an old context leaves a tombstone beside the value', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const url = '/buckets/sib/keys/ds';
  await withSiblings(send, url, 'a');
  const old = { 'X-Riak-Vclock': vclockOf(await send('GET', url)) };
  await send('PUT', url, { ...text, ...old }, 'b');
  assert.equal((await send('DELETE', url, old)).status, 204);
  const parts = await send('GET', url, { Accept: 'multipart/mixed' });
  assert.equal(parts.status, 300);
  assert.match(
    parts.body,
    /Content-Type: application\/octet-stream\r\n(.+\r\n)*X-Riak-Deleted: true\r\n\r\n\r\n--/,
  );
});

test('returnbody gives the stored object', async () => {
  await using node = await serveNode();
  const answer = await sendTo(node)(
    'PUT',
    '/buckets/b/keys/k?returnbody=true',
    { 'Content-Type': 'application/json' },
    '{"a":1}',
  );
  assert.deepEqual(
    [answer.status, answer.body, answer.headers['content-type']],
    [200, '{"a":1}', 'application/json'],
  );
  assert.match(String(answer.headers.etag), /^"/);
  vclockOf(answer);
});

test('Accept is honoured, after the read', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  await send('PUT', '/buckets/b/keys/k', text, 'x');
  for (const [accept, status] of [
    ['text/plain', 200],
    ['text/*;q=0.1, application/json', 200],
    ['application/json', 406],
    ['multipart/mixed', 406],
    ['text/plain;q=0, */*', 406],
  ] as const) {
    assert.equal((await send('GET', '/buckets/b/keys/k', { Accept: accept })).status, status, accept);
  }
  assert.equal((await send('GET', '/buckets/b/keys/none', { Accept: 'application/json' })).status, 404);
});

test('conditional reads', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const url = '/buckets/b/keys/k';
  await send('PUT', url, text, 'x');
  const { etag, 'last-modified': modified } = (await send('GET', url)).headers;
  const statusOf = async (headers: Record<string, string>) => (await send('GET', url, headers)).status;
  const same = await send('GET', url, { 'If-None-Match': String(etag) });
  assert.deepEqual([same.status, same.body, same.headers.etag], [304, '', etag]);
  assert.equal(await statusOf({ 'If-None-Match': '"zzz"' }), 200);
  assert.equal(await statusOf({ 'If-Modified-Since': String(modified) }), 304);
  assert.equal(await statusOf({ 'If-Modified-Since': 'Sat, 01 Jan 2000 00:00:00 GMT' }), 200);
  assert.equal(await statusOf({ 'If-Modified-Since': 'nonsense' }), 200);
  assert.equal(await statusOf({ 'If-Match': '"zzz"' }), 412);
  assert.equal(await statusOf({ 'If-Match': String(etag) }), 200);
  assert.equal(await statusOf({ 'If-Unmodified-Since': 'Sat, 01 Jan 2000 00:00:00 GMT' }), 412);
});

test('conditional writes', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  const url = '/buckets/b/keys/k';
  const put = async (headers: Record<string, string>, at = url) =>
    (await send('PUT', at, { ...text, ...headers }, 'x')).status;
  assert.equal(await put({ 'If-Match': '*' }), 412, 'nothing is there');
  assert.equal(await put({ 'If-None-Match': '*' }), 204);
  assert.equal(await put({ 'If-None-Match': '*' }), 412);
  const { etag, 'x-riak-vclock': vclock } = (await send('GET', url)).headers;
  assert.equal(await put({ 'If-Match': '"zzz"' }), 412);
  assert.equal(await put({ 'If-None-Match': String(etag) }), 412);
  assert.equal(await put({ 'If-Unmodified-Since': 'Sat, 01 Jan 2000 00:00:00 GMT' }), 412);
  assert.equal(await put({ 'X-Riak-If-Not-Modified': String(vclock) }), 204);
  assert.equal(await put({ 'X-Riak-If-Not-Modified': String(vclock) }), 409);
  assert.equal(await put({ 'X-Riak-If-Not-Modified': String(vclock) }, '/buckets/b/keys/none'), 409);
  assert.equal(await put({ 'If-Match': String((await send('GET', url)).headers.etag) }), 204);
  assert.equal((await send('DELETE', url, { 'If-Match': '"zzz"' })).status, 412);
  const now = String((await send('GET', url)).headers.etag);
  assert.equal((await send('DELETE', url, { 'If-Match': now })).status, 204);
});

test('bytes stored by other APIs cannot forge headers', async () => {
  await using node = await serveNode();
  const content = encodeContent({
    value: Buffer.from('v'),
    contentType: byteLiteral('text/html\r\nX-Evil: 1'),
    links: [{ bucket: byteLiteral('b\r\n'), key: byteLiteral('k,"'), tag: byteLiteral('t"\n') }],
    userMeta: [
      { key: byteLiteral('color'), value: byteLiteral('red\r\nX-Evil: 2') },
      { key: byteLiteral('X Evil:\r\n'), value: byteLiteral('3') },
      { key: byteLiteral('Content-Length'), value: byteLiteral('0') },
      { key: byteLiteral('Set-Cookie'), value: byteLiteral('a=b') },
    ],
    indexes: [{ key: byteLiteral('f_bin'), value: byteLiteral('x\r\n\r\ny') }],
    deleted: false,
  });
  await new Promise<void>((resolve) => {
    const address = { bucketType: byteLiteral('default'), bucket: byteLiteral('b'), key: byteLiteral('k') };
    node.store.put({ ...address, content }, (result) => {
      assert.equal(result.kind, 'stored');
      resolve();
    });
  });
  const got = await sendTo(node)('GET', '/buckets/b/keys/k');
  assert.deepEqual([got.status, got.body, got.headers['content-length']], [200, 'v', '1']);
  assert.equal(got.headers['x-evil'], undefined);
  assert.equal(got.headers['set-cookie'], undefined);
  assert.equal(got.headers.color, 'red%0D%0AX-Evil: 2', 'metadata of other APIs keeps its name');
  assert.equal(got.headers['x-riak-index-f_bin'], 'x%0D%0A%0D%0Ay');
  const raw = await exchangeBytes(node, 'GET /buckets/b/keys/k HTTP/1.1\r\nHost: h\r\n\r\n');
  assert.equal(raw.split('\r\n\r\n').length, 2);
});

test('bodies: chunked, empty, awaited with 100 Continue, too large', async () => {
  await using node = await serveNode({ limits: { bodyBytesMax: 1000 } });
  const send = sendTo(node);
  const head = 'PUT /buckets/b/keys/k HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n';
  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n`;
  assert.match(await exchangeBytes(node, chunked), /^HTTP\/1\.1 204 /);
  assert.equal((await send('GET', '/buckets/b/keys/k')).body, 'abc');
  const awaited = await exchangeBytes(node, `${head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi`);
  assert.match(awaited, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 204 /);
  const refused = await exchangeBytes(node, `${head}Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n`);
  assert.match(refused, /^HTTP\/1\.1 413 (.*\r\n)*Connection: close\r\n/);
  assert.equal((await send('PUT', '/buckets/b/keys/k', text, 'x'.repeat(1001))).status, 413);
  const long = `${head}Transfer-Encoding: chunked\r\n\r\n3e9\r\n${'x'.repeat(1001)}\r\n0\r\n\r\n`;
  assert.match(await exchangeBytes(node, long), /^HTTP\/1\.1 413 /);
  assert.equal((await send('PUT', '/buckets/b/keys/e', text, '')).status, 204);
  assert.deepEqual(
    [(await send('GET', '/buckets/b/keys/e')).status, (await send('GET', '/buckets/b/keys/e')).body],
    [200, ''],
  );
  assert.equal((await send('GET', '/buckets/b/keys/k')).body, 'hi');
});
