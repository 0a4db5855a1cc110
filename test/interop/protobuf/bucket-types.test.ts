/** Bucket types over Protocol Buffers. They are made by the administrator's tool: here by the store itself. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type ByteString, byteLiteral, bytesOfText } from '../../../src/stdx/index.ts';
import {
  decodeMessage,
  encodeFrame,
  rpbErrorResp,
  rpbGetBucketReq,
  rpbGetBucketResp,
  rpbGetBucketTypeReq,
  rpbGetReq,
  rpbGetResp,
  rpbListKeysReq,
  rpbListKeysResp,
  rpbPutReq,
  rpbSetBucketReq,
  rpbSetBucketTypeReq,
} from '../../../src/wire/index.ts';
import { FrameClient, serveNode } from './served-node.ts';

const type = byteLiteral('t');
const bucket = byteLiteral('b');
const key = byteLiteral('k');
const setDone = '16';
const putDone = '0c';
const hex = (frame: Buffer): string => frame.toString('hex');
const contentOf = (value: string) => Buffer.concat([Buffer.from([0x0a, value.length]), Buffer.from(value)]);

function errorIn(reply: string): string {
  const bytes = Buffer.from(reply, 'hex');
  assert.equal(bytes[0], rpbErrorResp.code, reply);
  return Buffer.from(decodeMessage(rpbErrorResp, bytes, 1).errmsg, 'latin1').toString();
}

test('a type is read and updated once it is active; its buckets have what it gives', async () => {
  await using node = await serveNode();
  using client = await FrameClient.connect(node.port);
  const typeProps = async () => {
    const reply = Buffer.from(await client.ask(hex(encodeFrame(rpbGetBucketTypeReq, { type }))), 'hex');
    return decodeMessage(rpbGetBucketResp, reply, 1).props;
  };
  const bucketProps = async (bucketType?: ByteString) => {
    const request = encodeFrame(rpbGetBucketReq, { bucket, ...(bucketType && { type: bucketType }) });
    return decodeMessage(rpbGetBucketResp, Buffer.from(await client.ask(hex(request)), 'hex'), 1).props;
  };
  const update = (props: object) => client.ask(hex(encodeFrame(rpbSetBucketTypeReq, { type, props })));

  await node.store.bucketTypes.create(type, {});
  const early = await client.ask(hex(encodeFrame(rpbGetBucketTypeReq, { type })));
  assert.equal(errorIn(early), 'Invalid bucket type: <<"t">>');
  assert.equal(errorIn(await update({ n_val: 2 })), 'Invalid bucket properties: not_active');
  await node.store.bucketTypes.activate(type);

  const untyped = await bucketProps();
  assert.deepEqual(await typeProps(), { ...untyped, allow_mult: true });
  assert.equal(await update({ n_val: 2, pw: 1 }), setDone);
  assert.deepEqual(await typeProps(), { ...untyped, allow_mult: true, n_val: 2, pw: 1 });
  assert.deepEqual(await bucketProps(type), await typeProps());
  assert.deepEqual(await bucketProps(), untyped);

  const own = encodeFrame(rpbSetBucketReq, { bucket, type, props: { n_val: 1 } });
  assert.equal(await client.ask(hex(own)), setDone);
  assert.equal(await update({ pw: 0 }), setDone);
  assert.deepEqual(await bucketProps(type), { ...untyped, allow_mult: true, n_val: 1 });
});

test('what a type may not have is refused by name', async () => {
  await using node = await serveNode();
  using client = await FrameClient.connect(node.port);
  await node.store.bucketTypes.create(type, {});
  await node.store.bucketTypes.activate(type);
  for (const [props, message] of [
    [{ n_val: 0 }, '[{n_val,not_integer}]'],
    [{ last_write_wins: true }, '[{last_write_wins,not_with_dvv_enabled}]'],
    [{ datatype: bytesOfText('map') }, '[{datatype,cannot_be_changed}]'],
    [
      { datatype: bytesOfText('mop'), consistent: true },
      '[{datatype,not_datatype},{consistent,not_supported_yet}]',
    ],
    [{ write_once: true }, '[{write_once,cannot_be_changed}]'],
  ] as const) {
    for (const request of [
      encodeFrame(rpbSetBucketTypeReq, { type, props }),
      encodeFrame(rpbSetBucketReq, { type, bucket, props }),
    ])
      assert.equal(errorIn(await client.ask(hex(request))), `Invalid bucket properties: ${message}`);
  }
});

test('objects of a type are apart from those of none', async () => {
  await using node = await serveNode();
  using client = await FrameClient.connect(node.port);
  await node.store.bucketTypes.create(type, {});
  await node.store.bucketTypes.activate(type);
  const put = (value: string, of: object) =>
    client.ask(hex(encodeFrame(rpbPutReq, { bucket, key, content: contentOf(value), ...of })));
  const valuesOf = async (of: object) => {
    const reply = Buffer.from(await client.ask(hex(encodeFrame(rpbGetReq, { bucket, key, ...of }))), 'hex');
    assert.equal(reply[0], rpbGetResp.code);
    return reply
      .toString('latin1')
      .match(/(?:typed|untyped)\d/g)
      ?.sort();
  };
  assert.equal(await put('typed1', { type }), putDone);
  assert.equal(await put('typed2', { type }), putDone);
  assert.equal(await put('untyped1', {}), putDone);
  assert.deepEqual(await valuesOf({ type }), ['typed1', 'typed2']);
  assert.deepEqual(await valuesOf({ type: byteLiteral('default') }), ['untyped1']);
  client.send(hex(encodeFrame(rpbListKeysReq, { bucket, type })));
  const listed: ByteString[] = [];
  for (;;) {
    const reply = decodeMessage(rpbListKeysResp, Buffer.from(await client.receive(), 'hex'), 1);
    listed.push(...reply.keys);
    if (reply.done) break;
  }
  assert.deepEqual(listed, [key]);
});

test('in a type with write_once the first write of a key stays, whatever its context and conditions', async () => {
  await using node = await serveNode();
  using client = await FrameClient.connect(node.port);
  await node.store.bucketTypes.create(type, { write_once: true });
  await node.store.bucketTypes.activate(type);
  const stored = async () => {
    const got = Buffer.from(await client.ask(hex(encodeFrame(rpbGetReq, { bucket, key, type }))), 'hex');
    return decodeMessage(rpbGetResp, got, 1);
  };
  const put = (value: string, of: object = {}) =>
    client.ask(hex(encodeFrame(rpbPutReq, { bucket, key, type, content: contentOf(value), ...of })));
  assert.equal(await put('first'), putDone);
  const { vclock } = await stored();
  assert.equal(await put('second', { vclock }), putDone);
  assert.equal(await put('third', { if_none_match: true }), putDone);
  assert.equal(await put('fourth', { vclock: undefined, if_not_modified: true }), putDone);
  const { content } = await stored();
  assert.equal(content.length, 1);
  assert.match(Buffer.from(content[0]!).toString('latin1'), /first/);
  assert.match(errorIn(await put('fifth', { w: 4 })), /n_val/);
});
