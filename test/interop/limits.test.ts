/** The limits on an object's size and siblings, as both protocols refuse what goes beyond. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { after, before, test } from 'node:test';
import { byteLiteral } from '../../src/stdx/index.ts';
import {
  decodeMessage,
  encodeFrame,
  rpbErrorResp,
  rpbPutReq,
  rpbSetBucketReq,
} from '../../src/wire/index.ts';
import { type HttpResponse, sendRequest } from './curl.ts';
import { FrameClient } from './protobuf/served-node.ts';
import { type StartedNode, startNode } from './started-node.ts';

let node: StartedNode;
let client: FrameClient;

before(async () => {
  const limits = [
    'size.maximum=4096',
    'size.warning_threshold=4096',
    'siblings.maximum=2',
    'siblings.warning_threshold=2',
  ];
  node = await startNode(...limits.flatMap((limit) => ['-o', `object.${limit}`]));
  client = await FrameClient.connect(node.protobufPort);
});

after(async () => {
  client[Symbol.dispose]();
  await node[Symbol.asyncDispose]();
});

/** The text of the refusal, or undefined if the value was stored. */
async function refusalOf(bucket: string, value: string): Promise<string | undefined> {
  // Field 1, its length as a varint of two bytes.
  const length = Buffer.from([0x0a, 0x80 | (value.length & 0x7f), value.length >>> 7]);
  const content = Buffer.concat([length, Buffer.from(value)]);
  const request = encodeFrame(rpbPutReq, { bucket: byteLiteral(bucket), key: byteLiteral('k'), content });
  const reply = Buffer.from(await client.ask(request.toString('hex')), 'hex');
  if (reply[0] !== rpbErrorResp.code) return undefined;
  return Buffer.from(decodeMessage(rpbErrorResp, reply, 1).errmsg, 'latin1').toString();
}

function put(path: string, body: string): Promise<HttpResponse> {
  const headers = { 'Content-Type': 'text/plain' };
  return sendRequest()(node.httpPort, { method: 'PUT', path, headers, body });
}

test('an object beyond the largest size is refused, and what was stored stays', async () => {
  assert.equal(await refusalOf('size', 'small'), undefined);
  assert.match((await refusalOf('size', 'x'.repeat(5000))) ?? '', /^\{too_large,\d+,4096\}$/);
  const refused = await put('/buckets/size/keys/k', 'x'.repeat(5000));
  assert.equal(refused.statusLine.split(' ')[1], '413');
  const kept = await fetch(`http://127.0.0.1:${node.httpPort}/buckets/size/keys/k`);
  assert.deepEqual([kept.status, await kept.text()], [200, 'small']);
});

test('a sibling beyond the most is refused, and the others stay', async () => {
  const props = { allow_mult: true };
  await client.ask(encodeFrame(rpbSetBucketReq, { bucket: byteLiteral('many'), props }).toString('hex'));
  for (const value of ['one', 'two']) assert.equal(await refusalOf('many', value), undefined);
  assert.equal(await refusalOf('many', 'three'), '{too_many_siblings,3,2}');
  assert.equal((await put('/buckets/many/keys/k', 'four')).statusLine.split(' ')[1], '400');
  const kept = await fetch(`http://127.0.0.1:${node.httpPort}/buckets/many/keys/k`);
  assert.equal((await kept.text()).match(/^[0-9A-Za-z]{20,}$/gm)?.length, 2);
});
