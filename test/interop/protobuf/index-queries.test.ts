/** Secondary indexes over Protocol Buffers: frames as clients send them, and what must not be asked. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { after, before, test } from 'node:test';
import { type ByteString, byteLiteral, textOfBytes } from '../../../src/stdx/index.ts';
import {
  decodeMessage,
  encodeContent,
  encodeFrame,
  rpbCsBucketReq,
  rpbCsBucketResp,
  rpbErrorResp,
  rpbGetResp,
  rpbIndexReq,
  rpbIndexResp,
} from '../../../src/wire/index.ts';
import { FrameClient, type ServedNode, serveNode } from './served-node.ts';

let node: ServedNode;
let client: FrameClient;
const bucketType = byteLiteral('default');
const bucket = byteLiteral('pb3');
const binaryTerm = byteLiteral('\0\u00ff\u0080');

function put(key: string, indexes: readonly (readonly [string, string])[]): Promise<void> {
  const content = encodeContent({
    value: Buffer.from(`value of ${key}`),
    links: [],
    userMeta: [],
    indexes: indexes.map(([name, term]) => ({ key: byteLiteral(name), value: byteLiteral(term) })),
    deleted: false,
  });
  return new Promise((resolve, reject) =>
    node.store.put({ bucketType, bucket, key: byteLiteral(key), content }, (result) =>
      result.kind === 'stored' ? resolve() : reject(new Error(result.error.code)),
    ),
  );
}

before(async () => {
  node = await serveNode();
  for (let i = 0; i < 10; i += 1)
    await put(`k${i}`, [
      ['n_int', `${i - 5}`],
      ['odd_bin', binaryTerm],
    ]);
  client = await FrameClient.connect(node.port);
});
after(async () => {
  client[Symbol.dispose]();
  await node[Symbol.asyncDispose]();
});

async function ask(
  fields: object,
): Promise<{ keys: string[]; results: string[][]; continuation?: Buffer; done?: boolean }> {
  const frame = encodeFrame(rpbIndexReq, { bucket, qtype: 0, ...fields } as never);
  return replyOf(await client.ask(frame.toString('hex')));
}

function replyOf(hex: string) {
  const body = Buffer.from(hex, 'hex');
  assert.equal(body[0], rpbIndexResp.code, textOf(hex));
  const { keys, results, continuation, done } = decodeMessage(rpbIndexResp, body, 1, body.length);
  return {
    keys: keys.map((key) => textOfBytes(key)),
    results: results.map((pair) => [pair.key as string, textOfBytes(pair.value ?? byteLiteral(''))]),
    ...(continuation === undefined ? {} : { continuation: Buffer.from(continuation) }),
    ...(done === undefined ? {} : { done }),
  };
}

async function refusal(fields: object): Promise<string> {
  const frame = encodeFrame(rpbIndexReq, { bucket, qtype: 0, ...fields } as never);
  return textOf(await client.ask(frame.toString('hex')));
}

function textOf(hex: string): string {
  const body = Buffer.from(hex, 'hex');
  if (body[0] !== rpbErrorResp.code) return `code ${body[0]}`;
  return textOfBytes(decodeMessage(rpbErrorResp, body, 1, body.length).errmsg);
}

const name = (text: string): ByteString => byteLiteral(text);
const int = { index: name('n_int') };
const range = (from: string, to: string) => ({ qtype: 1, range_min: name(from), range_max: name(to) });
const keys = (...numbers: number[]) => numbers.map((n) => `k${n}`);

test('one reply: equality, ranges, terms and keys, no more fields than Riak sends', async () => {
  assert.equal(
    await client.ask('00000015190a0370623312076167655f696e74180022023432'),
    '1a',
    'RpbIndexReq eq age_int=42',
  );
  assert.deepEqual(await ask({ ...int, key: name('3') }), { keys: keys(8), results: [] });
  assert.deepEqual(await ask({ ...int, ...range('-5', '-3') }), { keys: keys(0, 1, 2), results: [] });
  assert.deepEqual(await ask({ ...int, ...range('-5', '-4'), return_terms: true }), {
    keys: [],
    results: [
      ['-5', 'k0'],
      ['-4', 'k1'],
    ],
  });
  assert.deepEqual((await ask({ index: name('odd_bin'), key: binaryTerm })).keys.length, 10);
  const shown = await ask({
    index: name('odd_bin'),
    ...range('', '\u00ff'),
    return_terms: true,
    max_results: 1,
  });
  assert.deepEqual(shown.results, [[binaryTerm, 'k0']], 'terms are bytes');
  assert.deepEqual(
    (await ask({ index: name('$bucket'), key: name('_'), max_results: 3 })).keys,
    keys(0, 1, 2),
  );
});

test('streams end with done; pages with a continuation exactly if they are full', async () => {
  client.send(
    encodeFrame(rpbIndexReq, { bucket, ...int, ...range('-9', '9'), stream: true } as never).toString('hex'),
  );
  const streamed: string[] = [];
  let last = replyOf(await client.receive());
  for (; last.done !== true; last = replyOf(await client.receive())) streamed.push(...last.keys);
  assert.deepEqual(streamed, keys(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  assert.deepEqual(last, { keys: [], results: [], done: true });
  const pages: string[][] = [];
  let continuation: Buffer | undefined;
  do {
    const page = await ask({
      ...int,
      ...range('-9', '9'),
      max_results: 4,
      ...(continuation && { continuation }),
    });
    pages.push(page.keys);
    continuation = page.continuation;
  } while (continuation !== undefined);
  assert.deepEqual(pages, [keys(0, 1, 2, 3), keys(4, 5, 6, 7), keys(8, 9)]);
  client.send(
    encodeFrame(rpbIndexReq, {
      bucket,
      ...int,
      ...range('-9', '9'),
      stream: true,
      max_results: 10,
    } as never).toString('hex'),
  );
  assert.equal(replyOf(await client.receive()).keys.length, 10);
  const end = replyOf(await client.receive());
  assert.deepEqual([end.done, end.continuation !== undefined], [true, true]);
});

test('what is no query is refused with its reason, and the connection goes on', async () => {
  assert.equal(await refusal(int), 'Invalid equality query undefined');
  assert.equal(
    await refusal({ ...int, qtype: 1, range_min: name('1') }),
    'Invalid range query: 1 -> undefined',
  );
  assert.equal(await refusal({ index: name('age'), key: name('1') }), '{unknown_field_type,<<"age">>}');
  assert.equal(await refusal({ ...int, key: name('x') }), '{field_parsing_failed,{<<"n_int">>,<<"x">>}}');
  assert.equal(
    await refusal({ ...int, key: name('1'), term_regex: name('1') }),
    'Can not use term regular expression in integer query',
  );
  assert.match(
    await refusal({ index: name('a_bin'), key: name('1'), term_regex: name('(') }),
    /^Invalid term regular expression <<"\(">> : /,
  );
  assert.match(
    await refusal({ ...int, key: name('1'), continuation: Buffer.from('forged') }),
    /^Invalid continuation/,
  );
  assert.match(await refusal({ ...int, qtype: 7 }), /qtype 7/);
  assert.deepEqual((await ask({ ...int, key: name('3') })).keys, keys(8));
});

test('RpbCSBucketReq: objects in the order of their keys, from and to where it says', async () => {
  const fold = async (fields: object) => {
    client.send(
      encodeFrame(rpbCsBucketReq, { bucket, start_key: name(''), ...fields } as never).toString('hex'),
    );
    const found: string[] = [];
    for (;;) {
      const body = Buffer.from(await client.receive(), 'hex');
      assert.equal(body[0], rpbCsBucketResp.code);
      const { objects, done, continuation } = decodeMessage(rpbCsBucketResp, body, 1, body.length);
      for (const { key, object } of objects) {
        const { content } = decodeMessage(rpbGetResp, object, 0, object.length);
        assert.ok(content !== undefined);
        assert.ok(Buffer.from(object).includes(`value of ${key}`));
        found.push(key);
      }
      if (done === true) return { found, continuation };
    }
  };
  assert.deepEqual((await fold({})).found, keys(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  assert.deepEqual((await fold({ start_key: name('k2'), end_key: name('k4') })).found, keys(2, 3));
  const bounds = { start_key: name('k2'), start_incl: false, end_key: name('k4'), end_incl: true };
  assert.deepEqual((await fold(bounds)).found, keys(3, 4));
  const page = await fold({ max_results: 4 });
  assert.deepEqual(page.found, keys(0, 1, 2, 3));
  assert.deepEqual((await fold({ max_results: 4, continuation: page.continuation })).found, keys(4, 5, 6, 7));
});
