/** Broken requests of all kinds: each gets an answer or a closed connection, and the node goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exchangeBytes, sendTo, serveNode } from './served-node.ts';

const seeds: readonly string[] = [
  'GET /buckets/b/keys/k?r=1&vtag=x HTTP/1.1\r\nHost: h\r\nAccept: multipart/mixed, */*;q=0.5\r\nIf-None-Match: "a"\r\n\r\n',
  'PUT /types/default/buckets/b/keys/k?w=all&returnbody=true HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain; charset=utf-8\r\nX-Riak-Vclock: a85hYGBgzGDK\r\nX-Riak-Meta-A: b\r\nX-Riak-Index-f_int: 1, 2\r\nLink: </buckets/b/keys/k>; riaktag="t"\r\nContent-Length: 5\r\n\r\nhello',
  'POST /riak/b HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
  'PUT /buckets/b/props HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n{"props":{"n_val":3,"my":"own"}}',
  'DELETE /buckets/b/keys/k?rw=quorum HTTP/1.1\r\nHost: h\r\nX-Riak-Vclock: AAAA\r\n\r\n',
  'GET /buckets/b/keys?keys=stream&timeout=5 HTTP/1.1\r\nHost: h\r\n\r\nGET /riak?buckets=true HTTP/1.1\r\nHost: h\r\n\r\n',
  'GET /stats HTTP/1.1\r\nHost: h\r\nAccept: text/plain;q=x, */*;q=0\r\n\r\n',
];

interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: string;
}

/** A node on a busy machine answers later than this now and then: that counts as cut off. */
const silenceMs = 100;

const bytes = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\r\n', '%', '"', ',', ';', ':', '/', ' ', '\0', '0', '\xff'),
    fc.constant('a'),
  ),
  maxLength: 6,
});
const edit = fc.record({ at: fc.nat(400), remove: fc.nat(12), insert: bytes }, { noNullPrototype: true });

function mutate(seed: string, edits: readonly Edit[]): string {
  let text = seed;
  for (const { at, remove, insert } of edits) {
    const from = at % text.length;
    text = text.slice(0, from) + insert + text.slice(from + remove) || ' ';
  }
  return text;
}

test('mutated requests are answered or cut off, and the node goes on', async () => {
  await using node = await serveNode({}, { headersTimeoutMs: 1000 });
  const send = sendTo(node);
  let answered = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...seeds), fc.array(edit, { minLength: 1, maxLength: 4 })), {
        minLength: 10,
        maxLength: 10,
      }),
      async (requests) => {
        const texts = requests.map(([seed, edits]) => mutate(seed, edits));
        const answers = await Promise.all(texts.map((text) => exchangeBytes(node, text, silenceMs)));
        for (const answer of answers) {
          assert.match(answer, /^(HTTP\/1\.1 [1-5]\d\d |$)/);
          assert.doesNotMatch(answer, /^HTTP\/1\.1 500 /);
          if (answer !== '') answered += 1;
        }
        assert.equal((await send('GET', '/ping')).body, 'OK');
      },
    ),
    { numRuns: 40 },
  );
  assert.ok(answered > 200, `only ${answered} of 400 were answered`);
});
