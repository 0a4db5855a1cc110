/** Every error that the Protocol Buffers API can give on one node: request frame in, error text out. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { after, before, test } from 'node:test';
import { type ByteString, byteLiteral } from '../../../src/stdx/index.ts';
import {
  decodeMessage,
  encodeFrame,
  rpbDelReq,
  rpbErrorResp,
  rpbGetBucketReq,
  rpbGetBucketTypeReq,
  rpbGetReq,
  rpbListBucketsReq,
  rpbListKeysReq,
  rpbPutReq,
  rpbResetBucketReq,
  rpbSetBucketReq,
  rpbSetBucketTypeReq,
} from '../../../src/wire/index.ts';
import { FrameClient, type ServedNode, serveNode } from './served-node.ts';

let node: ServedNode;
before(async () => {
  node = await serveNode();
});
after(async () => {
  await node[Symbol.asyncDispose]();
});

const b = byteLiteral('errors');
const k = byteLiteral('k');
const empty = byteLiteral('');
const nosuch = byteLiteral('nosuch');
const content = Buffer.from('0a0178', 'hex');
const long = 'n'.repeat(70_000) as ByteString;
const tooLong = 'n'.repeat(262_200) as ByteString;
const hex = (frame: Buffer): string => frame.toString('hex');
const stray = Buffer.from([1, 2, 3]);

/** One more than allowed of an encoded field. */
function contentWith(field: string): Buffer {
  return Buffer.concat([content, Buffer.alloc((10_001 * field.length) / 2, field, 'hex')]);
}

const refusals: readonly (readonly [string, string, string])[] = [
  [
    'get: empty bucket',
    hex(encodeFrame(rpbGetReq, { bucket: empty, key: k })),
    'Bucket cannot be zero-length',
  ],
  ['get: empty key', hex(encodeFrame(rpbGetReq, { bucket: b, key: empty })), 'Key cannot be zero-length'],
  [
    'get: empty type',
    hex(encodeFrame(rpbGetReq, { bucket: b, key: k, type: empty })),
    'Type cannot be zero-length',
  ],
  ['get: unknown type', hex(encodeFrame(rpbGetReq, { bucket: b, key: k, type: nosuch })), 'no_type'],
  ['get: r > n', hex(encodeFrame(rpbGetReq, { bucket: b, key: k, r: 5 })), '{n_val_violation,3}'],
  ['get: pr > n', hex(encodeFrame(rpbGetReq, { bucket: b, key: k, pr: 4 })), '{n_val_violation,3}'],
  ['get: n_val > n', hex(encodeFrame(rpbGetReq, { bucket: b, key: k, n_val: 4 })), '{n_val_violation,3}'],
  [
    'get: node_confirms beyond the nodes',
    hex(encodeFrame(rpbGetReq, { bucket: b, key: k, node_confirms: 2 })),
    '{insufficient_nodes,1,need,2}',
  ],
  [
    'put: empty bucket',
    hex(encodeFrame(rpbPutReq, { bucket: empty, key: k, content })),
    'Bucket cannot be zero-length',
  ],
  [
    'put: empty key',
    hex(encodeFrame(rpbPutReq, { bucket: b, key: empty, content })),
    'Key cannot be zero-length',
  ],
  ['put: long key', hex(encodeFrame(rpbPutReq, { bucket: b, key: long, content })), 'Key is too long'],
  ['put: unknown type', hex(encodeFrame(rpbPutReq, { bucket: b, key: k, content, type: nosuch })), 'no_type'],
  ['put: w > n', hex(encodeFrame(rpbPutReq, { bucket: b, key: k, content, w: 5 })), '{n_val_violation,3}'],
  ['put: dw > n', hex(encodeFrame(rpbPutReq, { bucket: b, key: k, content, dw: 4 })), '{n_val_violation,3}'],
  ['put: pw > n', hex(encodeFrame(rpbPutReq, { bucket: b, key: k, content, pw: 4 })), '{n_val_violation,3}'],
  [
    'put: sync_on_write is no such word',
    hex(encodeFrame(rpbPutReq, { bucket: b, key: k, content, sync_on_write: byteLiteral('no') })),
    '{sync_on_write_val_violation,<<"no">>}',
  ],
  [
    'put: a context of somebody else',
    hex(encodeFrame(rpbPutReq, { bucket: b, key: k, content, vclock: stray })),
    'Message decoding error: the vclock is not one that this database issued',
  ],
  [
    'put: if_not_modified on nothing',
    hex(encodeFrame(rpbPutReq, { bucket: b, key: byteLiteral('none'), content, if_not_modified: true })),
    'notfound',
  ],
  [
    'put: malformed content',
    hex(encodeFrame(rpbPutReq, { bucket: b, key: k, content: Buffer.from('0a05', 'hex') })),
    'Message decoding error: length beyond the end of the message',
  ],
  [
    'put: content without value',
    hex(encodeFrame(rpbPutReq, { bucket: b, key: k, content: Buffer.alloc(0) })),
    'Message decoding error: content without value',
  ],
  [
    'put: more links than may be',
    hex(encodeFrame(rpbPutReq, { bucket: b, key: k, content: contentWith('3200') })),
    'Message decoding error: more than 10000 links',
  ],
  [
    'put: more user metadata than may be',
    hex(encodeFrame(rpbPutReq, { bucket: b, key: k, content: contentWith('4a020a00') })),
    'Message decoding error: more than 10000 entries of user metadata',
  ],
  [
    'put: more index entries than may be',
    hex(encodeFrame(rpbPutReq, { bucket: b, key: k, content: contentWith('52020a00') })),
    '{precommit_fail,[{too_many_fields,10000}]}',
  ],
  ['delete: empty key', hex(encodeFrame(rpbDelReq, { bucket: b, key: empty })), 'Key cannot be zero-length'],
  ['delete: unknown type', hex(encodeFrame(rpbDelReq, { bucket: b, key: k, type: nosuch })), 'no_type'],
  ['delete: r > n', hex(encodeFrame(rpbDelReq, { bucket: b, key: k, r: 4 })), '{n_val_violation,3}'],
  [
    'list keys: empty bucket',
    hex(encodeFrame(rpbListKeysReq, { bucket: empty })),
    'Bucket cannot be zero-length',
  ],
  [
    'list keys: unknown type',
    hex(encodeFrame(rpbListKeysReq, { bucket: b, type: nosuch })),
    "No bucket-type named 'nosuch'",
  ],
  [
    'list buckets: unknown type',
    hex(encodeFrame(rpbListBucketsReq, { type: nosuch })),
    "No bucket-type named 'nosuch'",
  ],
  [
    'stream buckets: unknown type',
    hex(encodeFrame(rpbListBucketsReq, { type: nosuch, stream: true })),
    "No bucket-type named 'nosuch'",
  ],
  [
    'get bucket: unknown type',
    hex(encodeFrame(rpbGetBucketReq, { bucket: b, type: nosuch })),
    "No bucket-type named 'nosuch'",
  ],
  [
    'set bucket: unknown type',
    hex(encodeFrame(rpbSetBucketReq, { bucket: b, type: nosuch, props: { n_val: 1 } })),
    "No bucket-type named 'nosuch'",
  ],
  [
    'reset bucket: unknown type',
    hex(encodeFrame(rpbResetBucketReq, { bucket: b, type: nosuch })),
    "No bucket-type named 'nosuch'",
  ],
  [
    'set bucket: every bad property is named',
    hex(encodeFrame(rpbSetBucketReq, { bucket: b, props: { n_val: 0, r: 0 } })),
    'Invalid bucket properties: [{n_val,not_integer},{r,not_valid_quorum}]',
  ],
  [
    'get bucket type: unknown',
    hex(encodeFrame(rpbGetBucketTypeReq, { type: nosuch })),
    'Invalid bucket type: <<"nosuch">>',
  ],
  [
    'get bucket type: a name that does not print',
    hex(encodeFrame(rpbGetBucketTypeReq, { type: byteLiteral('\0\xff') })),
    'Invalid bucket type: <<0,255>>',
  ],
  [
    'set bucket type: default',
    hex(encodeFrame(rpbSetBucketTypeReq, { type: byteLiteral('default'), props: { n_val: 1 } })),
    'Invalid bucket properties: no_default_update',
  ],
  [
    'set bucket type: unknown',
    hex(encodeFrame(rpbSetBucketTypeReq, { type: nosuch, props: { n_val: 1 } })),
    'Invalid bucket properties: not_active',
  ],
  [
    'set bucket: more bytes than properties have',
    hex(encodeFrame(rpbSetBucketReq, { bucket: tooLong, props: {} })),
    '{too_large,262206,262144}',
  ],
  [
    'set bucket type: more bytes than properties have',
    hex(encodeFrame(rpbSetBucketTypeReq, { type: tooLong, props: {} })),
    '{too_large,262206,262144}',
  ],
  ['StartTls without security', '00000001ff', 'Security not enabled; STARTTLS not allowed.'],
  ['Auth without security', '00000001fd', 'Unknown message code: 253'],
  ['a code that nobody has', '0000000163', 'Unknown message code: 99'],
  ['a search request', '0000000136', 'Unknown message code: 54'],
  ['a reply as a request', '0000000102', 'Unknown message code: 2'],
  ['get: a body that is none', '0000000309ffff', 'Message decoding error: truncated varint'],
  ['get: no key', '00000004090a0161', 'Message decoding error: RpbGetReq without key'],
  [
    'get: wrong wire type',
    '00000009090a016112016b1a00',
    'Message decoding error: wrong wire type in field 3',
  ],
  ['put: no content', '000000040b0a0161', 'Message decoding error: RpbPutReq without content'],
  ['delete: no key', '000000040d0a0161', 'Message decoding error: RpbDelReq without key'],
  ['set client id: none', '0000000105', 'Message decoding error: RpbSetClientIdReq without client_id'],
];

test('each refusal has its text, and the connection stays usable', async () => {
  using client = await FrameClient.connect(node.port);
  for (const [name, request, text] of refusals) {
    const reply = Buffer.from(await client.ask(request), 'hex');
    assert.equal(reply[0], rpbErrorResp.code, name);
    assert.deepEqual(decodeMessage(rpbErrorResp, reply, 1), { errmsg: text, errcode: 0 }, name);
  }
  assert.equal(await client.ask('0000000101'), '02');
  assert.ok(refusals.length > 40);
});

test('frames of an impossible length are refused at once, and the connection closed', async () => {
  const cases = [
    ['00000000', 'Invalid message packet, reason: frame of length 0'],
    ['000f4241', 'Invalid message packet, reason: frame of 1000001 bytes, 1000000 allowed'],
    ['ffffffff', 'Invalid message packet, reason: frame of 4294967295 bytes, 1000000 allowed'],
  ] as const;
  for (const [request, text] of cases) {
    using client = await FrameClient.connect(node.port);
    // The request before it is still answered.
    assert.equal(await client.ask(`0000000101${request}`), '02');
    const reply = Buffer.from(await client.receive(), 'hex');
    assert.equal(decodeMessage(rpbErrorResp, reply, 1).errmsg, text);
    assert.equal(await client.receive(), 'closed');
  }
});
