/** R96: bytes that two HTTP parsers may split differently must never smuggle a request in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeBytes, sendTo, serveNode } from './served-node.ts';

const smuggled =
  'PUT /buckets/b/keys/smuggled HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nevil';
const asChunk = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`;

function put(headers: string, rest: string): string {
  return `PUT /buckets/b/keys/outer HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n${headers}\r\n${rest}`;
}

const ambiguous: readonly (readonly [string, string])[] = [
  ['length and chunked', put('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`)],
  ['chunked and length', put('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', `0\r\n\r\n${smuggled}`)],
  ['two lengths', put('Content-Length: 0\r\nContent-Length: 200\r\n', smuggled)],
  ['two equal lengths', put('Content-Length: 0\r\nContent-Length: 0\r\n', smuggled)],
  ['a list of lengths', put('Content-Length: 0, 0\r\n', smuggled)],
  ['a signed length', put('Content-Length: +0\r\n', smuggled)],
  ['a negative length', put('Content-Length: -1\r\n', smuggled)],
  ['a hexadecimal length', put('Content-Length: 0x0\r\n', smuggled)],
  ['a length with a space inside', put('Content-Length: 0 0\r\n', smuggled)],
  ['a huge length', put('Content-Length: 18446744073709551616\r\n', smuggled)],
  ['space before the colon', put('Content-Length : 0\r\n', smuggled)],
  ['a folded length', put('Content-Length:\r\n 0\r\n', smuggled)],
  ['a folded header', put('X-A: b\r\n Content-Length: 0\r\n', smuggled)],
  ['a folded coding', put('Transfer-Encoding:\r\n chunked\r\n', `0\r\n\r\n${smuggled}`)],
  ['an unknown coding', put('Transfer-Encoding: xchunked\r\n', `0\r\n\r\n${smuggled}`)],
  ['identity coding', put('Transfer-Encoding: identity\r\n', smuggled)],
  ['chunked not last', put('Transfer-Encoding: chunked, identity\r\n', `0\r\n\r\n${smuggled}`)],
  ['chunk size with a sign', put('Transfer-Encoding: chunked\r\n', `+0\r\n\r\n${smuggled}`)],
  ['chunk size with a prefix', put('Transfer-Encoding: chunked\r\n', `0x0\r\n\r\n${smuggled}`)],
  ['overflowing chunk size', put('Transfer-Encoding: chunked\r\n', `10000000000000000\r\n\r\n${smuggled}`)],
  ['chunk longer than said', put('Transfer-Encoding: chunked\r\n', `1\r\nab\r\n0\r\n\r\n${smuggled}`)],
  ['bare line feeds', put('X-A: b\nContent-Length: 0\n', `\n${smuggled}`)],
  ['bare carriage return', put('X-A: b\rContent-Length: 0\r\n', smuggled)],
  ['a null byte in a header', put('X-A: b\0c\r\nContent-Length: 0\r\n', smuggled)],
  ['a header without a colon', put('Content-Length\r\n', smuggled)],
  ['an empty header name', put(': 0\r\n', smuggled)],
];

test('R96: an ambiguous framing never lets the embedded PUT happen', async () => {
  await using node = await serveNode();
  const send = sendTo(node);
  for (const [name, bytes] of ambiguous) {
    const answer = await exchangeBytes(node, bytes, 150);
    assert.match(answer, /^HTTP\/1\.1 4\d\d /, `${name}: not refused`);
    assert.equal(answer.split('HTTP/1.1 ').length, 2, `${name}: more than one answer`);
    const read = await send('GET', '/buckets/b/keys/smuggled');
    assert.equal(read.status, 404, `${name}: the embedded PUT was executed`);
  }
  const chunked = await exchangeBytes(node, put('Transfer-Encoding: chunked\r\n', asChunk));
  assert.match(chunked, /^HTTP\/1\.1 204 /);
  assert.equal((await send('GET', '/buckets/b/keys/outer')).body, smuggled, 'as data it is welcome');
});

test('R96: a request after a malformed one is not read', async () => {
  await using node = await serveNode();
  const answer = await exchangeBytes(
    node,
    `GET /ping HTTP/1.1\r\nHost: h\r\nBad Header: x\r\n\r\n${smuggled}`,
  );
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.equal(answer.split('HTTP/1.1 ').length, 2);
  assert.equal((await sendTo(node)('GET', '/buckets/b/keys/smuggled')).status, 404);
});

test('a transfer coding that would be stored coded is refused', async () => {
  await using node = await serveNode();
  const answer = await exchangeBytes(
    node,
    put('Transfer-Encoding: gzip, chunked\r\n', '1\r\na\r\n0\r\n\r\n'),
  );
  assert.match(answer, /^HTTP\/1\.1 501 /);
});

test('requests before a malformed one are answered before the refusal', async () => {
  await using node = await serveNode();
  const first = put('Content-Length: 5\r\n', 'hello');
  const answer = await exchangeBytes(node, `${first}GET /ping HTTP/1.1\r\nHost : h\r\n\r\n`);
  assert.deepEqual(answer.match(/HTTP\/1\.1 \d{3}/g), ['HTTP/1.1 204', 'HTTP/1.1 400']);
});

test('headers beyond the limit are refused with 431', async () => {
  await using node = await serveNode({}, { headerBytesMax: 8192 });
  const answer = await exchangeBytes(
    node,
    `GET /ping HTTP/1.1\r\nHost: h\r\nX-A: ${'a'.repeat(9000)}\r\n\r\n`,
  );
  assert.match(answer, /^HTTP\/1\.1 431 /);
});
