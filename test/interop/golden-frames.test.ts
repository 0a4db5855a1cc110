/**
 * What a client wrote to a Riak 3.4 node, byte for byte, written to a started node: the replies are the
 * same bytes, but for what each node makes up for itself (vtags, times, contexts, generated keys).
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { frameSessions } from './golden/frame-sessions.ts';
import { observedBitcaskExchanges } from './golden/observed-bitcask-frames.ts';
import { observedExchanges } from './golden/observed-frames.ts';
import { FrameReplay } from './golden/replay-frames.ts';
import { FrameClient } from './protobuf/served-node.ts';
import type { StartedNode } from './started-node.ts';
import { startRecordedNode } from './transcripts/http-sessions.ts';

let node: StartedNode;

before(async () => {
  node = await startRecordedNode();
});

after(() => node[Symbol.asyncDispose]());

for (const { name: session, nodeName, exchanges, otherwise } of frameSessions) {
  test(`${session}: what was observed from a Riak 3.4 node is what this node answers`, async (context) => {
    // Preference lists are those of its ring and its name.
    await using observed = await startRecordedNode('--name', nodeName, '-o', 'ring_size=64');
    using client = await FrameClient.connect(observed.protobufPort);
    const replay = new FrameReplay(client);
    assert.ok(exchanges.length >= 52, `${exchanges.length} exchanges`);
    for (const exchange of exchanges) await context.test(exchange.name, () => replay.check(exchange));
    for (const exchange of otherwise) {
      await context.test(`could not be answered: ${exchange.name}`, () => replay.checkOtherwise(exchange));
    }
  });
}

test('of the two backends the same was asked', () => {
  // But for the contexts in them, which each node made up for itself.
  const asked = observedExchanges.map(({ name, request }) => [name, request.slice(8, 10)]);
  assert.deepEqual(
    observedBitcaskExchanges.map(({ name, request }) => [name, request.slice(8, 10)]),
    asked,
  );
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
