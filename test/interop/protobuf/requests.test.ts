/** What the Protocol Buffers API answers, byte for byte, and how it behaves as a stream. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { after, before, test } from 'node:test';
import { type ByteString, byteLiteral } from '../../../src/stdx/index.ts';
import {
  decodeContent,
  decodeMessage,
  encodeContent,
  encodeFrame,
  rpbDelReq,
  rpbGetBucketKeyPreflistReq,
  rpbGetBucketKeyPreflistResp,
  rpbGetBucketReq,
  rpbGetBucketResp,
  rpbGetBucketTypeReq,
  rpbGetReq,
  rpbGetResp,
  rpbListBucketsReq,
  rpbListBucketsResp,
  rpbListKeysReq,
  rpbListKeysResp,
  rpbPutReq,
  rpbPutResp,
  rpbResetBucketReq,
  rpbSetBucketReq,
} from '../../../src/wire/index.ts';
import { observedExchanges } from '../golden/observed-frames.ts';
import { FrameClient, type ServedNode, serveNode } from './served-node.ts';

let node: ServedNode;
before(async () => {
  node = await serveNode();
});
after(async () => {
  await node[Symbol.asyncDispose]();
});

const key = byteLiteral('k');
const name = (text: string): ByteString => byteLiteral(text);
const hex = (frame: Buffer): string => frame.toString('hex');
const get = (bucket: string, options: object = {}): string =>
  hex(encodeFrame(rpbGetReq, { bucket: name(bucket), key, ...options }));
const put = (bucket: string, value: string, options: object = {}): string =>
  hex(
    encodeFrame(rpbPutReq, {
      bucket: name(bucket),
      key,
      content: encodeContent({
        value: Buffer.from(value),
        links: [],
        userMeta: [],
        indexes: [],
        deleted: false,
      }),
      ...options,
    }),
  );

function getReply(reply: string) {
  assert.equal(reply.slice(0, 2), '0a', reply);
  const { content, ...rest } = decodeMessage(rpbGetResp, Buffer.from(reply, 'hex'), 1);
  return { ...rest, contents: content.map((bytes) => decodeContent(bytes)) };
}

test('replies without clocks and tags are those of a Riak node, byte for byte', async () => {
  using client = await FrameClient.connect(node.port);
  const comparable = new Set([
    'RpbPingReq',
    'RpbGetClientIdReq',
    'RpbSetClientIdReq',
    'RpbGetReq not found',
    'RpbPutReq no content type',
    'RpbPutReq if_none_match on existing',
    'RpbPutReq w=5 > n_val',
    'RpbGetReq r=5 > n_val',
    'RpbGetReq unknown type',
    'RpbGetReq empty bucket',
    'RpbGetReq empty key',
    'RpbPutReq empty key',
    'RpbSetBucketReq allow_mult',
    'RpbSetBucketReq bad n_val 0',
    'sibling put 1',
    'RpbDelReq not found',
  ]);
  let compared = 0;
  for (const exchange of observedExchanges) {
    if (!comparable.has(exchange.name)) continue;
    assert.equal(await client.ask(exchange.request), exchange.replies[0], exchange.name);
    compared += 1;
  }
  assert.ok(compared >= comparable.size, `${compared} compared`);
});

test('server info: a node name with a host and a version of three integers', async () => {
  using client = await FrameClient.connect(node.port);
  const expected = `08${hex(Buffer.from('\x0a\x0eriak@127.0.0.1\x12\x053.2.0', 'latin1'))}`;
  assert.equal(await client.ask('0000000107'), expected);
});

test('the client id is echoed, on its own connection', async () => {
  using client = await FrameClient.connect(node.port);
  using other = await FrameClient.connect(node.port);
  assert.equal(await client.ask('00000007050a0461626364'), '06');
  assert.equal(await client.ask('0000000103'), '040a0461626364');
  assert.equal(await other.ask('0000000103'), '040a0400000000');
});

test('an object: put, get, head, unchanged, update, siblings, delete, tombstone', async () => {
  using client = await FrameClient.connect(node.port);
  const allowMult = encodeFrame(rpbSetBucketReq, { bucket: name('life'), props: { allow_mult: true } });
  assert.equal(await client.ask(hex(allowMult)), '16');
  assert.equal(await client.ask(get('life')), '0a');
  assert.equal(await client.ask(put('life', 'one')), '0c');

  const first = getReply(await client.ask(get('life')));
  assert.equal(first.contents[0]!.value.toString(), 'one');
  assert.ok(first.contents[0]!.vtag !== undefined && first.contents[0]!.lastModifiedMicros! > 1e15);
  const head = getReply(await client.ask(get('life', { head: true })));
  assert.deepEqual(head.contents, [{ ...first.contents[0], value: Buffer.alloc(0) }]);
  assert.equal(await client.ask(get('life', { if_modified: first.vclock })), '0a1801');

  const second = await client.ask(put('life', 'two', { vclock: first.vclock, return_body: true }));
  const stored = decodeMessage(rpbPutResp, Buffer.from(second, 'hex'), 1);
  assert.equal(decodeContent(stored.content[0]!).value.toString(), 'two');
  const third = await client.ask(put('life', 'three', { vclock: first.vclock, return_head: true }));
  const siblings = decodeMessage(rpbPutResp, Buffer.from(third, 'hex'), 1);
  assert.deepEqual(
    siblings.content.map((bytes) => decodeContent(bytes).value.length),
    [0, 0],
  );
  const both = getReply(await client.ask(get('life')));
  assert.deepEqual(both.contents.map((content) => content.value.toString()).sort(), ['three', 'two']);
  const stale = put('life', 'x', { vclock: first.vclock, if_not_modified: true });
  assert.equal(await client.ask(stale), `00${hex(Buffer.from('\x0a\x08modified\x10\x00', 'latin1'))}`);

  assert.equal(await client.ask(hex(encodeFrame(rpbDelReq, { bucket: name('life'), key }))), '0e');
  assert.equal(await client.ask(get('life')), '0a');
  const tombstone = getReply(await client.ask(get('life', { deletedvclock: true })));
  assert.deepEqual(tombstone.contents, []);
  assert.ok(tombstone.vclock !== undefined && tombstone.vclock.length > 0);
  const again = put('life', 'four', { vclock: tombstone.vclock, if_none_match: true });
  assert.equal(await client.ask(again), '0c');
});

test('a key that is left out is made, told, and with the body if that was asked', async () => {
  using client = await FrameClient.connect(node.port);
  const plain = await client.ask(put('made', 'v', { key: undefined }));
  const made = decodeMessage(rpbPutResp, Buffer.from(plain, 'hex'), 1);
  assert.match(made.key ?? '', /^[0-9A-Za-z]{20,30}$/);
  assert.deepEqual(made.content, []);
  const withBody = await client.ask(put('made', 'v', { key: undefined, return_body: true }));
  const full = decodeMessage(rpbPutResp, Buffer.from(withBody, 'hex'), 1);
  assert.equal(decodeContent(full.content[0]!).value.toString(), 'v');
  assert.ok(full.vclock !== undefined && full.key !== made.key);
  const read = await client.ask(get('made', { key: full.key }));
  assert.deepEqual(getReply(read).vclock, full.vclock);
});

test('bucket properties: set, get, hooks, reset', async () => {
  using client = await FrameClient.connect(node.port);
  const bucket = name('props');
  const ask = async () => {
    const reply = await client.ask(hex(encodeFrame(rpbGetBucketReq, { bucket })));
    return decodeMessage(rpbGetBucketResp, Buffer.from(reply, 'hex'), 1).props;
  };
  const initial = await ask();
  const observed = observedExchanges.find((exchange) => exchange.name === 'RpbGetBucketReq')!;
  const riaks = decodeMessage(rpbGetBucketResp, Buffer.from(observed.replies[0]!, 'hex'), 1).props;
  // Riak 3.4 also sends write_once=false, which clients older than 2.1 do not know.
  const { write_once, ...known } = riaks;
  assert.equal(write_once, false);
  assert.deepEqual({ ...initial, allow_mult: true }, known);

  const hook = { name: name('functions/check') };
  const props = {
    n_val: 5,
    r: 4_294_967_294,
    pw: 1,
    precommit: [hook],
    has_precommit: true,
    postcommit: [{ name: name('ignored: the flag is not set') }],
    node_confirms: 2,
    sync_on_write: 2,
  };
  assert.equal(await client.ask(hex(encodeFrame(rpbSetBucketReq, { bucket, props }))), '16');
  assert.deepEqual(await ask(), { ...initial, ...props, postcommit: [] });
  const elsewhere = encodeFrame(rpbSetBucketReq, { bucket, props: { backend: name('b1') } });
  const refused = Buffer.from(await client.ask(hex(elsewhere)), 'hex').toString('latin1');
  assert.match(refused, /Invalid bucket properties: \[\{backend,unknown_backend\}\]/);
  const type = name('default');
  const ofType = await client.ask(hex(encodeFrame(rpbGetBucketTypeReq, { type })));
  assert.deepEqual(decodeMessage(rpbGetBucketResp, Buffer.from(ofType, 'hex'), 1).props, initial);
  const cleared = encodeFrame(rpbSetBucketReq, { bucket, props: { has_precommit: true } });
  assert.equal(await client.ask(hex(cleared)), '16');
  assert.deepEqual((await ask()).precommit, []);
  assert.equal(await client.ask(hex(encodeFrame(rpbResetBucketReq, { bucket }))), '1e');
  assert.deepEqual(await ask(), initial);
});

async function listing(client: FrameClient, request: string): Promise<ByteString[]> {
  const found: ByteString[] = [];
  client.send(request);
  for (;;) {
    const reply = Buffer.from(await client.receive(), 'hex');
    if (reply[0] === rpbListKeysResp.code) {
      const { keys, done } = decodeMessage(rpbListKeysResp, reply, 1);
      found.push(...keys);
      if (done) return found;
    } else {
      const { buckets, done } = decodeMessage(rpbListBucketsResp, reply, 1);
      found.push(...buckets);
      if (done) return found;
    }
  }
}

test('keys and buckets are listed, in frames and whole', async () => {
  using client = await FrameClient.connect(node.port);
  const keys = Array.from({ length: 1500 }, (_, i) => name(`key-${i}`));
  client.send(keys.map((each) => put('listed', 'v', { key: each })).join(''));
  for (const _ of keys) assert.equal(await client.receive(), '0c');
  const listed = await listing(client, hex(encodeFrame(rpbListKeysReq, { bucket: name('listed') })));
  assert.deepEqual(listed.sort(), [...keys].sort());
  assert.deepEqual(await listing(client, hex(encodeFrame(rpbListKeysReq, { bucket: name('empty') }))), []);

  const whole = Buffer.from(await client.ask('000000010f'), 'hex');
  const { buckets, done } = decodeMessage(rpbListBucketsResp, whole, 1);
  assert.equal(done, undefined);
  assert.ok(buckets.includes(name('listed')) && !buckets.includes(name('empty')));
  const streamed = await listing(client, hex(encodeFrame(rpbListBucketsReq, { stream: true })));
  assert.deepEqual(streamed.sort(), [...buckets].sort());
});

test('pipelined requests are answered in order, whatever their cost, however they are cut', async () => {
  using client = await FrameClient.connect(node.port);
  const requests: string[] = [];
  for (let i = 0; i < 700; i += 1) requests.push(put('pipe', `v${i}`), get('pipe'), '0000000101');
  const stream = Buffer.from(requests.join(''), 'hex');
  for (let at = 0; at < stream.length; at += 4099) client.socket.write(stream.subarray(at, at + 4099));
  for (let i = 0; i < 700; i += 1) {
    assert.equal(await client.receive(), '0c');
    assert.equal(getReply(await client.receive()).contents[0]!.value.toString(), `v${i}`);
    assert.equal(await client.receive(), '02');
  }
});

test('a preference list has the partitions that Riak shows', async () => {
  using client = await FrameClient.connect(node.port);
  const ask = async (bucket: string, of: string, type?: string) => {
    const fields = { bucket: name(bucket), key: name(of), type: type === undefined ? undefined : name(type) };
    return await client.ask(hex(encodeFrame(rpbGetBucketKeyPreflistReq, fields)));
  };
  const observed =
    '220a140811120e7269616b403132372e302e302e3118010a140812120e7269616b403132372e302e302e3118010a140813120e7269616b403132372e302e302e311801';
  assert.equal(await ask('pb3', 'k'), observed);
  const { preflist } = decodeMessage(
    rpbGetBucketKeyPreflistResp,
    Buffer.from(await ask('b', 'f', 'default'), 'hex'),
    1,
  );
  assert.deepEqual(
    preflist.map(({ partition }) => partition),
    [52n, 53n, 54n],
  );
  assert.match(Buffer.from(await ask('', 'k'), 'hex').toString('latin1'), /Bucket cannot be zero-length/);
  assert.match(
    Buffer.from(await ask('b', '', 'default'), 'hex').toString('latin1'),
    /Key cannot be zero-length/,
  );
  assert.match(Buffer.from(await ask('b', 'k', 'none'), 'hex').toString('latin1'), /no_type/);
});

test('a request that comes byte by byte is a request', async () => {
  using client = await FrameClient.connect(node.port);
  client.socket.setNoDelay(true);
  for (const byte of Buffer.from(put('slow', 'value'), 'hex')) {
    client.socket.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(await client.receive(), '0c');
});

test('a value of half a megabyte comes back whole', async () => {
  using client = await FrameClient.connect(node.port);
  const value = 'x'.repeat(500_000);
  assert.equal(await client.ask(put('large', value)), '0c');
  client.send(`${get('large')}${get('large')}0000000101`);
  for (let i = 0; i < 2; i += 1) {
    assert.equal(getReply(await client.receive()).contents[0]!.value.toString(), value);
  }
  assert.equal(await client.receive(), '02');
});
