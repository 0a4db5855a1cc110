import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { CausalContext } from '../../crdt/index.ts';
import { type ByteString, byteLiteral, byteStringOf } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { type DatatypeWrite, deltaOfUpdate, encodeDatatypeWrite, updateDatatype } from '../datatype/index.ts';
import type { KvError } from '../kv-error.ts';
import { makeObject, VersionedObject } from '../object/index.ts';
import { ObjectKey } from './object-key.ts';
import { replicaCodec } from './replica-codec.ts';
import type { ReplicaReply, ReplicaRequest } from './replica-protocol.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 1000);

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const nameOf = (minLength: number, maxLength: number): fc.Arbitrary<ByteString> =>
  fc.uint8Array({ minLength, maxLength }).map((array) => byteStringOf(array));
const number = fc.oneof(fc.nat({ max: 200 }), fc.maxSafeNat());

const keys = fc
  .record({
    bucketType: fc.oneof(fc.constant(byteLiteral('default')), nameOf(1, 20)),
    bucket: nameOf(1, 300),
    key: nameOf(1, 300),
  })
  .map((address) => new ObjectKey(address));

const clocks = fc
  .uniqueArray(
    fc.record({ vnode: fc.nat({ max: 5 }), counter: fc.integer({ min: 1, max: 1e6 }), seconds: number }),
    {
      selector: ({ vnode }) => vnode,
      maxLength: 4,
    },
  )
  .map((entries) =>
    VersionVector.of(
      entries.map(({ vnode, counter, seconds }) => ({
        actor: actorId(byteStringOf(Buffer.alloc(8, vnode)), 7),
        counter,
        seconds,
      })),
    ),
  );

/** Some are long enough to be sent as they lie. */
const values = fc.oneof(
  { weight: 9, arbitrary: bytes(200) },
  { weight: 1, arbitrary: fc.integer({ min: 16_300, max: 20_000 }).map((length) => Buffer.alloc(length, 7)) },
);
const contents = values.map((value) =>
  encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false }),
);
const objects = fc.tuple(clocks, fc.array(contents, { minLength: 1, maxLength: 3 })).map(([clock, all]) =>
  makeObject(
    clock,
    all.map((content) => ({ dot: undefined, content })),
  ),
);
const digests = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((array) => Buffer.from(array));
const smallNumber = fc.integer({ min: 1, max: 64 });
const durability = fc.constantFrom('synced' as const, 'os' as const);

const datatypes = fc.constantFrom<DatatypeWrite['datatype']>(
  { type: 'set', precision: 14 },
  { type: 'set', precision: 4 },
);
const stamps = { datatype: datatypes, vtag: nameOf(0, 30), micros: fc.nat({ max: 2 ** 32 * 1e6 - 1 }) };
const added = (name: ByteString) =>
  ({ kind: 'set', steps: [{ kind: 'add', elements: [name] }] }) as DatatypeWrite['operation'];
const updates = fc
  .record({ ...stamps, name: nameOf(0, 40), seen: fc.nat({ max: 9 }) })
  .map(({ name, seen, ...stamp }) =>
    encodeDatatypeWrite({
      ...stamp,
      operation: added(name),
      context:
        seen === 0 ? undefined : CausalContext.ofRange(actorId(byteStringOf(Buffer.alloc(8, 1)), 1), 1, seen),
    }),
  );
const deltas = fc.record({ ...stamps, name: nameOf(0, 40) }).map(({ name, ...stamp }) => {
  const actor = actorId(byteStringOf(Buffer.alloc(8, 2)), 3);
  const update = (local: VersionedObject | undefined, element: string) => {
    const operation = added(element as ByteString);
    const result = updateDatatype(local, stamp.datatype, { operation }, { ...stamp, actor });
    assert.equal(result.kind, 'updated');
    return result as Extract<typeof result, { kind: 'updated' }>;
  };
  const { object } = update(undefined, 'long '.repeat(300));
  return deltaOfUpdate(object, stamp, update(object, name))!;
});

const requests: fc.Arbitrary<ReplicaRequest> = fc.oneof(
  fc.record({
    kind: fc.constant('delta' as const),
    key: keys,
    delta: deltas,
    durability,
    announce: fc.boolean(),
  }),
  fc.record(
    { kind: fc.constant('get' as const), key: keys, want: fc.constant('digest' as const), unless: digests },
    { requiredKeys: ['kind', 'key'] },
  ),
  fc.record(
    {
      kind: fc.constant('put' as const),
      key: keys,
      object: objects,
      durability,
      purpose: fc.constantFrom('write' as const, 'repair' as const, 'fenced' as const),
      announce: fc.boolean(),
      pruning: fc.record({ limits: pruneLimits(), nowSeconds: number }),
    },
    { requiredKeys: ['kind', 'key', 'object', 'durability', 'purpose', 'announce'] },
  ),
  fc.record({
    kind: fc.constant('reap' as const),
    key: keys,
    tombstone: objects,
    first: fc.nat({ max: 1023 }).map((first) => first as Partition),
    n: smallNumber,
  }),
  fc
    .record({ isUpdate: fc.boolean(), content: contents, update: updates, request: coordinates() })
    .map(({ isUpdate, content, update, request }) => ({
      ...request,
      isUpdate,
      content: isUpdate ? update : content,
    })),
);

function pruneLimits() {
  return fc.record({ smallVclock: number, bigVclock: number, youngVclock: number, oldVclock: number });
}

function coordinates() {
  return fc.record({
    kind: fc.constant('coordinate' as const),
    key: keys,
    context: clocks,
    condition: fc.constantFrom('none' as const, 'absent' as const, 'unmodified' as const),
    timeoutMs: number,
    wantsObject: fc.boolean(),
    rules: fc.record({
      n: smallNumber,
      w: number,
      dw: number,
      pw: number,
      nodeConfirms: number,
      sloppyQuorum: fc.boolean(),
      syncOnWrite: fc.constantFrom('backend' as const, 'one' as const, 'all' as const),
      durability,
      allowMult: fc.boolean(),
      lastWriteWins: fc.boolean(),
      prune: pruneLimits(),
      bucketOnly: fc.boolean(),
      serialised: fc.boolean(),
      cap: fc.option(
        fc.record({
          siblingsMax: number.filter((most) => most > 0),
          policy: fc.constantFrom('none' as const, 'later' as const, 'lww' as const, 'union' as const),
        }),
        { nil: undefined },
      ),
    }),
  });
}

const texts = fc.string({ unit: 'grapheme', maxLength: 60 });
const errors: fc.Arbitrary<KvError> = fc.oneof(
  fc.constantFrom<KvError>(
    ...(
      [
        'timeout',
        'overload',
        'all_nodes_down',
        'insufficient_vnodes_available',
        'bad_context',
        'match_found',
        'modified',
        'notfound',
        'stopping',
      ] as const
    ).map((code) => ({ code })),
  ),
  fc.record({ code: fc.constant('n_val_violation' as const), nVal: number }),
  fc.record({
    code: fc.constant('quorum_unsatisfied' as const),
    quorum: fc.constantFrom('r', 'w', 'pr', 'pw', 'dw', 'node_confirms'),
    wanted: number,
    got: number,
  }),
  fc.record({
    code: fc.constantFrom('insufficient_vnodes' as const, 'insufficient_nodes' as const),
    up: number,
    needed: number,
  }),
  fc.record({
    code: fc.constantFrom('bad_content' as const, 'storage' as const, 'no_majority' as const),
    reason: texts,
  }),
  fc.record({
    code: fc.constant('bad_name' as const),
    what: fc.constantFrom('type', 'bucket', 'key'),
    reason: fc.constantFrom('empty', 'too_long'),
  }),
  fc.record({ code: fc.constant('unknown_bucket_type' as const), bucketType: texts }),
  fc.record({ code: fc.constant('too_large' as const), bytes: number, bytesMax: number }),
  fc.record({ code: fc.constant('too_many_siblings' as const), siblings: number, siblingsMax: number }),
  fc.record({
    code: fc.constant('not_present' as const),
    name: nameOf(0, 60),
    what: fc.constantFrom('element', 'counter', 'flag', 'map', 'register', 'set'),
  }),
  fc.record({ code: fc.constant('type_mismatch' as const), expected: texts, actual: texts }),
  fc.record({ code: fc.constant('nested_too_deep' as const), nestingMax: number }),
  fc.record({ code: fc.constant('increment_out_of_range' as const), increment: texts }),
);

const replies: fc.Arbitrary<ReplicaReply> = fc.oneof(
  fc.constantFrom<ReplicaReply>(
    { kind: 'same' },
    { kind: 'notfound' },
    { kind: 'accepted' },
    { kind: 'stored' },
    { kind: 'declined' },
    { kind: 'behind' },
  ),
  fc.record({ kind: fc.constant('object' as const), object: objects }),
  fc.record({ kind: fc.constant('coordinated' as const), object: fc.option(objects, { nil: undefined }) }),
  fc.record({ kind: fc.constant('digest' as const), digest: digests }),
  fc.record(
    { kind: fc.constant('failed' as const), error: errors, damaged: fc.boolean() },
    { requiredKeys: ['kind', 'error'] },
  ),
  fc.record({ kind: fc.constant('moved' as const), epoch: number }),
  fc.record({
    kind: fc.constant('unanswered' as const),
    reason: fc.constantFrom('unreachable', 'overload', 'timeout'),
  }),
);

/** Objects, keys and clocks as what they mean. */
function plain(value: unknown): unknown {
  if (value instanceof VersionedObject) return value.bytes.toString('hex');
  if (value instanceof ObjectKey) return { ...value.address };
  if (value instanceof VersionVector) return value.entries;
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}

/** Written in the middle of other bytes, read from a view that is overwritten afterwards. */
function travelled<T>(
  message: T,
  size: (message: T) => number,
  write: (message: T, into: Buffer, at: number) => void,
  read: (body: Buffer) => T | undefined,
): T | undefined {
  const length = size(message);
  const buffer = Buffer.alloc(length + 6, 0xee);
  write(message, buffer, 3);
  assert.equal(
    buffer.toString('hex', 0, 3) + buffer.toString('hex', length + 3),
    'ee'.repeat(6),
    'keeps to its room',
  );
  const back = read(buffer.subarray(3, length + 3));
  buffer.fill(0xdd);
  return back;
}

const requestBytes = (request: ReplicaRequest) => replicaCodec.requestBytes(request);
const readRequest = (body: Buffer) => replicaCodec.readRequest(body);
const replyBytes = (reply: ReplicaReply) => replicaCodec.replyBytes(reply);
const readReply = (body: Buffer) => replicaCodec.readReply(body);
const writeRequest = (request: ReplicaRequest, into: Buffer, at: number) => {
  replicaCodec.writeRequest(request, into, at);
  const tail = replicaCodec.requestTail?.(request);
  tail?.copy(into, at + requestBytes(request) - tail.length);
};
const writeReply = (reply: ReplicaReply, into: Buffer, at: number) => {
  replicaCodec.writeReply(reply, into, at);
  const tail = replicaCodec.replyTail?.(reply);
  tail?.copy(into, at + replyBytes(reply) - tail.length);
};

test('a request arrives as it was sent, and keeps nothing of the buffer that it came in', () => {
  fc.assert(
    fc.property(requests, (request) => {
      assert.deepEqual(plain(travelled(request, requestBytes, writeRequest, readRequest)), plain(request));
    }),
    { numRuns },
  );
});

test('a reply arrives as it was sent, errors too', () => {
  fc.assert(
    fc.property(replies, (reply) => {
      assert.deepEqual(plain(travelled(reply, replyBytes, writeReply, readReply)), plain(reply));
    }),
    { numRuns },
  );
});

test('a long object is neither copied on its way out nor, where the message may be kept, on its way in', () => {
  const value = Buffer.alloc(50_000, 9);
  const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
  const object = makeObject(VersionVector.of([]), [{ dot: undefined, content }]);
  const reply = { kind: 'object', object } as const;
  assert.equal(replicaCodec.replyTail?.(reply), object.bytes);
  const body = Buffer.alloc(replyBytes(reply));
  writeReply(reply, body, 0);
  const kept = replicaCodec.readReply(body, true);
  const copied = replicaCodec.readReply(body);
  assert.ok(kept?.kind === 'object' && copied?.kind === 'object');
  assert.equal(kept.object.bytes.buffer, body.buffer);
  assert.notEqual(copied.object.bytes.buffer, body.buffer);
});

function encoded(request: ReplicaRequest): Buffer {
  const body = Buffer.alloc(requestBytes(request));
  writeRequest(request, body, 0);
  return body;
}

test('what was cut, lengthened or altered is refused or reads as something well-formed, and nothing throws', () => {
  const cuts = fc.tuple(requests, fc.nat(), fc.integer({ min: 1, max: 255 }));
  fc.assert(
    fc.property(cuts, ([request, where, flip]) => {
      const body = encoded(request);
      const cut = body.subarray(0, where % body.length);
      const isObjectless = request.kind === 'get' || request.kind === 'coordinate';
      if (!isObjectless) assert.equal(readRequest(cut), undefined);
      else readRequest(cut);
      if (request.kind !== 'coordinate')
        assert.equal(readRequest(Buffer.concat([body, Buffer.from([0])])), undefined);
      const altered = Buffer.from(body);
      altered[where % body.length] ^= flip;
      const read = readRequest(altered);
      if (read !== undefined) assert.deepEqual(encoded(read), altered, 'one encoding each');
    }),
    { numRuns },
  );
});

test('garbage is no message', () => {
  fc.assert(
    fc.property(bytes(60), fc.integer({ min: 0, max: 12 }), (garbage, kind) => {
      for (const body of [garbage, Buffer.concat([Buffer.from([1, kind]), garbage])]) {
        const request = readRequest(body);
        if (request !== undefined) assert.deepEqual(encoded(request), body);
        const reply = readReply(body);
        if (reply !== undefined) assert.ok(replyBytes(reply) <= body.length);
      }
    }),
    { numRuns: numRuns * 2 },
  );
});

test('what no message can hold is too large; of a write that was coordinated that says too much', () => {
  const name = { bucketType: byteLiteral('default'), bucket: byteLiteral('b'), key: byteLiteral('k') };
  const key = new ObjectKey(name);
  const tooLarge = { kind: 'failed', error: { code: 'too_large', bytes: 9, bytesMax: 8 } };
  const get = { kind: 'get', key } as const;
  assert.deepEqual(replicaCodec.tooLarge?.(get, 9, 8, true), tooLarge);
  const [coordinate] = fc.sample(
    requests.filter((request) => request.kind === 'coordinate'),
    1,
  );
  assert.deepEqual(replicaCodec.tooLarge?.(coordinate!, 9, 8, false), tooLarge);
  assert.deepEqual(replicaCodec.tooLarge?.(coordinate!, 9, 8, true), {
    kind: 'unanswered',
    reason: 'unheard',
  });
  assert.deepEqual(replicaCodec.subjectOf?.(get), { bucketType: 'default', bucket: 'b', key: 'k' });
});

test('a long reason is cut, not refused', () => {
  const reason = 'ä'.repeat(2000);
  const reply = travelled(
    { kind: 'failed', error: { code: 'storage', reason } },
    replyBytes,
    writeReply,
    readReply,
  );
  assert.ok(reply?.kind === 'failed' && reply.error.code === 'storage');
  assert.equal(reply.error.reason, 'ä'.repeat(512));
});
