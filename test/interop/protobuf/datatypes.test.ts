/** Data types over Protocol Buffers: replies, refusals by their texts, and what no client may do to a node. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { after, before, test } from 'node:test';
import { type ByteString, byteLiteral, bytesOfText } from '../../../src/stdx/index.ts';
import {
  dataType,
  decodeMessage,
  dtFetchReq,
  dtFetchResp,
  type dtOp,
  dtUpdateReq,
  dtUpdateResp,
  type Encodable,
  encodeFrame,
  encodeMessage,
  flagOp,
  type MessageOf,
  mapFieldType,
  rpbCounterGetReq,
  rpbCounterGetResp,
  rpbCounterUpdateReq,
  rpbCounterUpdateResp,
  rpbErrorResp,
  rpbPingReq,
  rpbSetBucketReq,
} from '../../../src/wire/index.ts';
import { FrameClient, type ServedNode, serveNode } from './served-node.ts';

const bucket = byteLiteral('b');
let node: ServedNode;
let client: FrameClient;

before(async () => {
  node = await serveNode();
  const { bucketTypes } = node.store;
  for (const datatype of ['counter', 'set', 'map', 'hll', 'gset', undefined]) {
    const name = bytesOfText(datatype === undefined ? 'plain' : `${datatype}s`);
    const custom = new Map(datatype === undefined ? [] : [['datatype', datatype]]);
    assert.equal(await bucketTypes.create(name, { custom }), undefined);
    assert.equal(await bucketTypes.activate(name), undefined);
  }
  client = await FrameClient.connect(node.port);
  const props = { allow_mult: true };
  await client.ask(encodeFrame(rpbSetBucketReq, { bucket: byteLiteral('many'), props }).toString('hex'));
});

after(async () => {
  client[Symbol.dispose]();
  await node[Symbol.asyncDispose]();
});

type Op = Encodable<MessageOf<typeof dtOp>>;
const elements = (...names: string[]) => names as ByteString[];
const setOp = (adds: string[], removes: string[] = []): Op => ({
  set_op: { adds: elements(...adds), removes: elements(...removes) },
});

async function ask(frame: Buffer): Promise<Buffer> {
  return Buffer.from(await client.ask(frame.toString('hex')), 'hex');
}

function textIn(reply: Buffer): string {
  assert.equal(reply[0], rpbErrorResp.code, reply.toString('latin1'));
  return decodeMessage(rpbErrorResp, reply, 1).errmsg;
}

const updateFrame = (type: string, key: string | undefined, op: Op, options: object = {}) =>
  encodeFrame(dtUpdateReq, {
    bucket,
    key: key === undefined ? undefined : byteLiteral(key),
    type: bytesOfText(type),
    op,
    ...options,
  });

async function update(type: string, key: string | undefined, op: Op, options: object = {}) {
  const reply = await ask(updateFrame(type, key, op, options));
  assert.equal(reply[0], dtUpdateResp.code, reply.toString('latin1'));
  return decodeMessage(dtUpdateResp, reply, 1);
}

const fetchFrame = (type: string, key: string, options: object = {}) =>
  encodeFrame(dtFetchReq, { bucket, key: byteLiteral(key), type: bytesOfText(type), ...options });

async function fetch(type: string, key: string, options: object = {}) {
  const reply = await ask(fetchFrame(type, key, options));
  assert.equal(reply[0], dtFetchResp.code, reply.toString('latin1'));
  return decodeMessage(dtFetchResp, reply, 1);
}

test('an update answers with nothing, or with the value and its context', async () => {
  assert.deepEqual(encodeMessage(dtUpdateResp, await update('sets', 's', setOp(['b', 'a']))).length, 0);
  const returned = await update('sets', 's', setOp(['c']), { return_body: true });
  assert.deepEqual(returned.set_value, ['a', 'b', 'c']);
  assert.ok(returned.context !== undefined && returned.context.length > 0);
  const bare = await update('sets', 's', setOp(['c']), { return_body: true, include_context: false });
  assert.equal(bare.context, undefined);
  const made = await update('sets', undefined, setOp(['x']));
  assert.match(made.key ?? '', /^\w{20,}$/);
  assert.deepEqual((await fetch('sets', made.key!)).value?.set_value, ['x']);
  // The real node's reply to this one is a stack trace.
  const gset = await update('gsets', 'g', { gset_op: { adds: elements('b', 'a') } }, { return_body: true });
  assert.deepEqual([gset.gset_value, gset.context], [['a', 'b'], undefined]);
});

test('a fetch tells nothing from empty, and a context from none', async () => {
  const missing = await fetch('sets', 'none');
  assert.deepEqual([missing.type, missing.value, missing.context], [dataType.set, undefined, undefined]);
  await update('sets', 'empty', setOp(['x']));
  await update('sets', 'empty', setOp([], ['x']));
  const empty = await fetch('sets', 'empty');
  assert.deepEqual(empty.value?.set_value, []);
  assert.ok(empty.context !== undefined);
  assert.equal((await fetch('sets', 'empty', { include_context: false })).context, undefined);
  await update('counters', 'c', { counter_op: {} });
  await update('counters', 'c', { counter_op: { increment: -5n } });
  const counter = await fetch('counters', 'c');
  assert.deepEqual([counter.value?.counter_value, counter.context], [-4n, undefined]);
  await update('hlls', 'h', { hll_op: { adds: elements('a', 'b') } });
  assert.equal((await fetch('hlls', 'h')).value?.hll_value, 2n);
});

test('what does not fit into 64 bits shows as the nearest that does', async () => {
  for (let i = 0; i < 3; i += 1) {
    await update('counters', 'big', { counter_op: { increment: 2n ** 63n - 1n } });
    await update('counters', 'small', { counter_op: { increment: -(2n ** 63n) } });
  }
  assert.equal((await fetch('counters', 'big')).value?.counter_value, 2n ** 63n - 1n);
  assert.equal((await fetch('counters', 'small')).value?.counter_value, -(2n ** 63n));
});

test('adds come before removes; with a context an add of the same request stays (riak_kv#761)', async () => {
  assert.deepEqual((await update('sets', '761', setOp(['x', 'y'], ['x']), { return_body: true })).set_value, [
    'y',
  ]);
  const { context } = await fetch('sets', '761');
  const returned = await update('sets', '761', setOp(['y'], ['y']), { context, return_body: true });
  assert.deepEqual(returned.set_value, ['y']);
  await update('sets', '761', setOp(['z']));
  await update('sets', '761', setOp([], ['y', 'z']), { context });
  const left = (await fetch('sets', '761')).value?.set_value;
  assert.deepEqual(left, ['y', 'z'], 'both were added after the context');
});

test('maps: every type of field, and removes before updates', async () => {
  const field = (name: string, type: keyof typeof mapFieldType) => ({
    name: byteLiteral(name),
    type: mapFieldType[type],
  });
  const updates = [
    { field: field('c', 'counter'), counter_op: { increment: 4n } },
    { field: field('s', 'set'), set_op: { adds: elements('x') } },
    { field: field('r', 'register'), register_op: byteLiteral('\xff\0') },
    { field: field('f', 'flag'), flag_op: flagOp.enable },
    { field: field('m', 'map'), map_op: { updates: [{ field: field('c', 'counter'), counter_op: {} }] } },
  ];
  const made = await update('maps', 'm', { map_op: { updates } }, { return_body: true });
  const { context } = made;
  const removes = [field('c', 'counter'), field('r', 'register')];
  const again = [{ field: field('c', 'counter'), counter_op: { increment: 1n } }];
  const reset = await update(
    'maps',
    'm',
    { map_op: { removes, updates: again } },
    { context, return_body: true },
  );
  const shown = reset.map_value.map(({ field: { name }, ...value }) => [name, value.counter_value]);
  assert.deepEqual(shown, [
    ['c', 1n],
    ['f', undefined],
    ['m', undefined],
    ['s', undefined],
  ]);
  assert.equal(made.map_value.find(({ field: { name } }) => name === 'r')?.register_value, '\xff\0');
  const absent = [field('gone', 'flag')];
  const refused = await ask(updateFrame('maps', 'm', { map_op: { removes: absent } }));
  assert.equal(textIn(refused), '{precondition,{not_present,{<<"gone">>,riak_dt_od_flag}}}');
});

test('refusals by their texts', async () => {
  const field = { name: byteLiteral('f'), type: mapFieldType.flag };
  for (const [frame, text] of [
    [updateFrame('counters', 'c', setOp(['x'])), 'Operation type is `set` but  bucket type is `counter`.'],
    [updateFrame('nosuch', 'c', setOp(['x'])), 'Error no bucket type `<<"nosuch">>`'],
    [fetchFrame('nosuch', 'c'), 'Error no bucket type `<<"nosuch">>`'],
    [updateFrame('plain', 'c', setOp(['x'])), 'Bucket datatype `undefined` is not a supported type'],
    [fetchFrame('plain', 'c'), '`undefined` is not a supported type'],
    [updateFrame('default', 'c', setOp(['x'])), 'Bucket must be allow_mult=true'],
    [fetchFrame('default', 'c'), "Counters require bucket property 'allow_mult=true'"],
    [updateFrame('sets', 'absent', setOp([], ['x'])), '{precondition,{not_present,<<"x">>}}'],
    [updateFrame('sets', '', setOp(['x'])), 'Key cannot be zero-length'],
    [updateFrame('', 'k', setOp(['x'])), 'Type cannot be zero-length'],
    [updateFrame('sets', 'k', {}), 'Message decoding error: DtOp without an operation'],
    [
      updateFrame('sets', 'k', { ...setOp(['x']), counter_op: {} }),
      'Message decoding error: DtOp with several operations',
    ],
    [
      updateFrame('sets', 'k', setOp(['x']), { context: Buffer.from('g2wAAAAB') }),
      'Message decoding error: the context is not one that this database issued',
    ],
    [updateFrame('sets', 'k', setOp(['x']), { w: 4 }), '{n_val_violation,3}'],
    [
      updateFrame('maps', 'k', { map_op: { updates: [{ field, register_op: byteLiteral('x') }] } }),
      'Message decoding error: the update of field "f" has no operation for a flag',
    ],
    [
      updateFrame('maps', 'k', { map_op: { removes: [{ name: byteLiteral('f'), type: 9 }] } }),
      'Message decoding error: a field has the unknown type 9',
    ],
  ] as const) {
    assert.equal(textIn(await ask(frame)), text);
  }
});

/** A map in a map in a map…, as bytes: nobody encodes that deep. */
function nestedMapOp(depth: number): Buffer {
  const head = encodeMessage(dtUpdateReq, {
    bucket,
    key: byteLiteral('deep'),
    type: byteLiteral('maps'),
    op: {},
  }).subarray(0, -2);
  let op = Buffer.alloc(0);
  const field = Buffer.from([0x0a, 0x05, 0x0a, 0x01, 0x6d, 0x10, mapFieldType.map]);
  const within = (tag: number, body: Buffer) =>
    Buffer.concat([Buffer.from([tag]), varint(body.length), body]);
  for (let i = 0; i < depth; i += 1) {
    const updated = within(0x12, Buffer.concat([field, within(0x32, op)]));
    op = updated;
  }
  const body = Buffer.concat([head, within(0x2a, within(0x1a, op))]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(body.length + 1);
  frame[4] = dtUpdateReq.code;
  return Buffer.concat([frame, body]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}

test('R94: maps thousands deep are refused, and so is what no value may hold; the connection serves on', async () => {
  assert.equal((await ask(nestedMapOp(29)))[0], dtUpdateResp.code);
  assert.equal(textIn(await ask(nestedMapOp(30))), '{nested_too_deep,30}');
  assert.equal(textIn(await ask(nestedMapOp(100))), 'Message decoding error: messages nested too deep');
  const deep = nestedMapOp(5_000);
  assert.ok(deep.length < 1_000_000);
  assert.equal(textIn(await ask(deep)), 'Message decoding error: messages nested too deep');
  assert.equal((await ask(encodeFrame(rpbPingReq, {}))).toString('hex'), '02');
  assert.equal((await fetch('maps', 'deep')).value?.map_value.length, 1);
});

test('counters of Riak 1.4', async () => {
  const many = byteLiteral('many');
  const key = byteLiteral('c');
  const change = (amount: bigint, returnvalue?: boolean) =>
    ask(encodeFrame(rpbCounterUpdateReq, { bucket: many, key, amount, returnvalue }));
  const get = (name: ByteString) => ask(encodeFrame(rpbCounterGetReq, { bucket: many, key: name }));
  assert.equal((await change(5n)).toString('hex'), '33');
  assert.equal(decodeMessage(rpbCounterUpdateResp, await change(-7n, true), 1).value, -2n);
  assert.equal(decodeMessage(rpbCounterGetResp, await get(key), 1).value, -2n);
  assert.equal((await get(byteLiteral('none'))).toString('hex'), '35');
  const single = encodeFrame(rpbCounterGetReq, { bucket, key });
  assert.equal(textIn(await ask(single)), "Counters require bucket property 'allow_mult=true'");
  // A fetch of the untyped namespace is one of these.
  const fetched = await ask(encodeFrame(dtFetchReq, { bucket: many, key, type: byteLiteral('default') }));
  assert.equal(decodeMessage(dtFetchResp, fetched, 1).value?.counter_value, -2n);
});
