/**
 * What a client wrote to a Riak 3.4 node, byte for byte, written to a started node: the replies are the
 * same bytes, but for what each node makes up for itself (vtags, times, contexts, generated keys).
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { type ByteString, bufferOf, byteLiteral } from '../../src/stdx/index.ts';
import {
  type Content,
  decodeContent,
  decodeMessage,
  dtFetchResp,
  dtUpdateResp,
  encodeContent,
  encodeFrame,
  encodeMessage,
  type MessageOf,
  type MessageType,
  rpbGetBucketResp,
  rpbGetReq,
  rpbGetResp,
  rpbGetServerInfoResp,
  rpbIndexResp,
  rpbListBucketsResp,
  rpbListKeysResp,
  rpbPutReq,
  rpbPutResp,
} from '../../src/wire/index.ts';
import { answeredOtherwise } from './golden/answered-otherwise.ts';
import { type ObservedExchange, observedExchanges } from './golden/observed-frames.ts';
import { FrameClient } from './protobuf/served-node.ts';
import { makeBucketType, type StartedNode, startNode } from './started-node.ts';

let node: StartedNode;
let client: FrameClient;

before(async () => {
  // The observed node kept tombstones for a while; preference lists are those of its ring and its name.
  node = await startNode('--name', 'riakldb@127.0.0.1', '-o', 'ring_size=64', '-o', 'delete_mode=3000');
  for (const datatype of ['counter', 'set', 'map', 'hll', 'gset']) {
    await makeBucketType(node, `${datatype}s`, { datatype });
  }
  client = await FrameClient.connect(node.protobufPort);
});

after(async () => {
  client[Symbol.dispose]();
  await node[Symbol.asyncDispose]();
});

/** What the observed node made up → what ours made up in its place. Hexadecimal. */
const counterparts = new Map<string, string>();

function meet(observed: Uint8Array | undefined, ours: Uint8Array | undefined): void {
  assert.equal(ours === undefined, observed === undefined);
  if (observed === undefined || ours === undefined) return;
  assert.ok(ours.length > 0);
  counterparts.set(Buffer.from(observed).toString('hex'), Buffer.from(ours).toString('hex'));
}

function counterpart(observed: Uint8Array | undefined): Buffer | undefined {
  if (observed === undefined) return undefined;
  const ours = counterparts.get(Buffer.from(observed).toString('hex'));
  assert.ok(ours !== undefined, 'a context that an earlier reply carried');
  return Buffer.from(ours, 'hex');
}

/** The observed request with our contexts in the place of the observed ones. */
function requestOf(frame: string): string {
  const bytes = Buffer.from(frame, 'hex');
  switch (bytes[4]) {
    case rpbGetReq.code: {
      const message = decodeMessage(rpbGetReq, bytes, 5);
      return encodeFrame(rpbGetReq, { ...message, if_modified: counterpart(message.if_modified) }).toString(
        'hex',
      );
    }
    case rpbPutReq.code: {
      const message = decodeMessage(rpbPutReq, bytes, 5);
      return encodeFrame(rpbPutReq, { ...message, vclock: counterpart(message.vclock) }).toString('hex');
    }
    default:
      return frame;
  }
}

/** Our content with the observed vtag and time; each vtag of the observed node has one counterpart. */
function likeObserved(observed: Uint8Array, ours: Uint8Array): Buffer {
  const expected: Content = decodeContent(observed);
  const got: Content = decodeContent(ours);
  assert.match(got.vtag ?? '', /^[0-9A-Za-z]{20,22}$/);
  meet(bufferOf(expected.vtag!), bufferOf(got.vtag!));
  assert.ok(Math.abs(got.lastModifiedMicros! / 1e6 - Date.now() / 1000) < 60);
  return encodeContent({ ...got, vtag: expected.vtag, lastModifiedMicros: expected.lastModifiedMicros });
}

function likeObservedValues(observed: Buffer, ours: Buffer): string {
  const isGet = observed[0] === rpbGetResp.code;
  const decode = (bytes: Buffer): MessageOf<typeof rpbPutResp> =>
    isGet ? { ...decodeMessage(rpbGetResp, bytes, 1), key: undefined } : decodeMessage(rpbPutResp, bytes, 1);
  const expected = decode(observed);
  const got = decode(ours);
  assert.equal(got.content.length, expected.content.length);
  meet(expected.vclock, got.vclock);
  meet(expected.key && bufferOf(expected.key), got.key && bufferOf(got.key));
  const content = got.content.map((sibling, i) => likeObserved(expected.content[i]!, sibling));
  const vclock = expected.vclock;
  const body = isGet
    ? encodeMessage(rpbGetResp, { ...decodeMessage(rpbGetResp, ours, 1), content, vclock })
    : encodeMessage(rpbPutResp, { ...got, content, vclock, key: expected.key });
  return Buffer.concat([observed.subarray(0, 1), body]).toString('hex');
}

function likeObservedReply(observed: Buffer, ours: Buffer): string {
  assert.equal(ours[0], observed[0], `reply ${ours.toString('latin1')}`);
  switch (observed[0]) {
    case rpbGetResp.code:
    case rpbPutResp.code:
      return likeObservedValues(observed, ours);
    case rpbGetServerInfoResp.code: {
      const { node: name, server_version: version } = decodeMessage(rpbGetServerInfoResp, ours, 1);
      assert.equal(name, 'riakldb@127.0.0.1');
      // Clients split it into three integers; the observed build, which says "25", breaks them.
      assert.match(version ?? '', /^\d+\.\d+\.\d+$/);
      return observed.toString('hex');
    }
    case rpbIndexResp.code: {
      const expected = decodeMessage(rpbIndexResp, observed, 1);
      if (expected.continuation === undefined) return ours.toString('hex');
      // Which of the keys is the first depends on the one that the node made up; so does where to go on.
      const { keys, continuation } = decodeMessage(rpbIndexResp, ours, 1);
      assert.equal(keys.length, expected.keys.length);
      assert.ok(continuation !== undefined && continuation.length > 0);
      return observed.toString('hex');
    }
    case rpbGetBucketResp.code: {
      const { props } = decodeMessage(rpbGetBucketResp, ours, 1);
      assert.equal(props.write_once, undefined);
      // Decoders from before write_once know no such field, so it is left out where it is false.
      const body = encodeMessage(rpbGetBucketResp, { props: { ...props, write_once: false } });
      return Buffer.concat([ours.subarray(0, 1), body]).toString('hex');
    }
    case dtFetchResp.code:
    case dtUpdateResp.code: {
      const type = observed[0] === dtFetchResp.code ? dtFetchResp : dtUpdateResp;
      const { context } = decodeMessage<{ readonly context?: Buffer | undefined }>(type, observed, 1);
      const got = decodeMessage<{ readonly context?: Buffer | undefined }>(type, ours, 1);
      meet(context, got.context);
      const body = encodeMessage(type as MessageType<object>, { ...got, context });
      return Buffer.concat([ours.subarray(0, 1), body]).toString('hex');
    }
    default:
      return ours.toString('hex');
  }
}

/** Names of a listing; the observed node had other buckets besides. */
async function checkListing({ request, replies }: ObservedExchange): Promise<void> {
  const namesOf = (reply: string): { names: readonly ByteString[]; done: boolean } => {
    const bytes = Buffer.from(reply, 'hex');
    if (bytes[0] === rpbListKeysResp.code) {
      const { keys, done = false } = decodeMessage(rpbListKeysResp, bytes, 1);
      return { names: keys, done };
    }
    assert.equal(bytes[0], rpbListBucketsResp.code);
    const { buckets, done = false } = decodeMessage(rpbListBucketsResp, bytes, 1);
    return { names: buckets, done };
  };
  const expected = new Set(
    replies
      .flatMap((reply) => namesOf(reply).names)
      .map((name) => {
        const ours = counterparts.get(bufferOf(name).toString('hex'));
        return ours === undefined ? name : byteLiteral(Buffer.from(ours, 'hex').toString('latin1'));
      }),
  );
  const isOfKeys = replies[0]!.startsWith('12');
  const isStream = namesOf(replies.at(-1)!).done;
  const got: ByteString[] = [];
  for (let reply = await client.ask(request); ; reply = await client.receive()) {
    const { names, done } = namesOf(reply);
    got.push(...names);
    if (done) assert.deepEqual(names, [], 'the last frame carries no names');
    if (done || !isStream) break;
  }
  assert.ok(got.length > 0);
  assert.equal(new Set(got).size, got.length);
  // The observed node held buckets of other clients too.
  const written = isOfKeys ? [...expected] : [byteLiteral('pb3'), byteLiteral('pbsib3')];
  assert.deepEqual(got.sort(), written.sort());
}

test('what was observed from a Riak 3.4 node is what this node answers', async (context) => {
  let checked = 0;
  for (const { name, request, replies } of observedExchanges) {
    await context.test(name, async () => {
      if (/^1[02]/.test(replies[0]!)) return checkListing({ name, request, replies });
      for (const [i, observed] of replies.entries()) {
        const ours = i === 0 ? await client.ask(requestOf(request)) : await client.receive();
        assert.equal(likeObservedReply(Buffer.from(observed, 'hex'), Buffer.from(ours, 'hex')), observed);
      }
    });
    checked += 1;
  }
  assert.ok(checked >= 52, `${checked} exchanges`);
});

test('what the observed node could not answer has an answer here, and the connection goes on', async (context) => {
  for (const { name, request, reply } of answeredOtherwise) {
    await context.test(name, async () => {
      const ours = await client.ask(request);
      if (/^[0-9a-f]+$/.test(reply)) assert.equal(ours, reply);
      else assert.ok(Buffer.from(ours, 'hex').toString('latin1').includes(reply), ours);
      assert.equal(await client.ask('0000000101'), '02');
    });
  }
});

/** Requests as a client writes them, in hexadecimal, and the text of the RpbErrorResp. Spelt out, not encoded by us. */
const refusals: readonly (readonly [name: string, request: string, text: string])[] = [
  ['get, empty bucket', '00000006 09 0a00 12016b', 'Bucket cannot be zero-length'],
  ['get, empty key', '00000006 09 0a0162 1200', 'Key cannot be zero-length'],
  ['get, empty type', '00000009 09 0a0162 12016b 6a00', 'Type cannot be zero-length'],
  ['get, unknown type', '0000000b 09 0a0162 12016b 6a026e6f', 'no_type'],
  ['get, r=4', '00000009 09 0a0162 12016b 1804', '{n_val_violation,3}'],
  ['get, pr=4', '00000009 09 0a0162 12016b 2004', '{n_val_violation,3}'],
  ['get, n_val=4', '00000009 09 0a0162 12016b 6004', '{n_val_violation,3}'],
  ['put, unknown type', '00000011 0b 0a0162 12016b 22030a0178 8201026e6f', 'no_type'],
  ['put, w=4', '0000000e 0b 0a0162 12016b 22030a0178 2804', '{n_val_violation,3}'],
  ['put, dw=4', '0000000e 0b 0a0162 12016b 22030a0178 3004', '{n_val_violation,3}'],
  ['put, pw=4', '0000000e 0b 0a0162 12016b 22030a0178 4004', '{n_val_violation,3}'],
  ['put, if_not_modified on nothing', '0000000e 0b 0a0162 12016b 22030a0178 4801', 'notfound'],
  ['delete, empty key', '00000006 0d 0a0162 1200', 'Key cannot be zero-length'],
  ['delete, unknown type', '0000000b 0d 0a0162 12016b 6a026e6f', 'no_type'],
  ['list buckets, unknown type', '00000005 0f 1a026e6f', "No bucket-type named 'no'"],
  ['list keys, unknown type', '00000008 11 0a0162 1a026e6f', "No bucket-type named 'no'"],
  ['get bucket, unknown type', '00000008 13 0a0162 12026e6f', "No bucket-type named 'no'"],
  ['set bucket, unknown type', '0000000c 15 0a0162 12021001 1a026e6f', "No bucket-type named 'no'"],
  ['set bucket, n_val=0', '00000008 15 0a0162 12020800', 'Invalid bucket properties: [{n_val,not_integer}]'],
  ['reset bucket, unknown type', '00000008 1d 0a0162 12026e6f', "No bucket-type named 'no'"],
  ['get type', '00000005 1f 0a026e6f', 'Invalid bucket type: <<"no">>'],
  ['set type', '00000009 20 0a026e6f 12021001', 'Invalid bucket properties: not_active'],
  [
    'set type default',
    '0000000e 20 0a0764656661756c74 12021001',
    'Invalid bucket properties: no_default_update',
  ],
  ['search', '0000000b 1b 0a032a3a2a 1203696478', 'Unknown message code: 27'],
  ['search index', '00000001 36', 'Unknown message code: 54'],
  ['time series', '00000001 5a', 'Unknown message code: 90'],
  ['unassigned', '00000001 63', 'Unknown message code: 99'],
  ['log in without TLS', '00000001 fd', 'Unknown message code: 253'],
  ['StartTls', '00000001 ff', 'Security not enabled; STARTTLS not allowed.'],
];

function errorFrame(text: string): Buffer {
  const message = Buffer.concat([
    Buffer.from([0x00, 0x0a, text.length]),
    Buffer.from(text, 'latin1'),
    Buffer.from([0x10, 0x00]),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}

test('refusals, all written at once, are answered in order with exactly these bytes', async () => {
  const pings = [Buffer.from('0000000101', 'hex'), Buffer.from('0000000102', 'hex')] as const;
  const requests = refusals.map(([, request]) => Buffer.from(request.replaceAll(' ', ''), 'hex'));
  const socket = connect(node.protobufPort, '127.0.0.1');
  socket.end(Buffer.concat([...requests, pings[0]]));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  const got = Buffer.concat(chunks);
  let at = 0;
  for (const [name, , text] of refusals) {
    const expected = errorFrame(text);
    assert.equal(got.toString('latin1', at, at + expected.length), expected.toString('latin1'), name);
    at += expected.length;
  }
  assert.deepEqual(got.subarray(at), pings[1]);
});
