import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import process from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Entry,
  type LogPosition,
  type Membership,
  type Message,
  type MessageKind,
  type MessageOf,
  membershipOf,
  peerIdOf,
} from '../index.ts';
import { decodeMessage, encodeMessage } from './message-codec.ts';
import { decodeLogWrite, decodeSnapshotMark, encodeLogWrite, encodeSnapshotMark } from './persisted-codec.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 1000);

/** With the usual prototype, as the decoder makes them. */
const record = <Fields extends object>(model: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> }) =>
  fc.record<Fields>(model, { noNullPrototype: true });
const number = fc.oneof(fc.nat(200), fc.maxSafeNat());
const flag = fc.boolean();
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const position: fc.Arbitrary<LogPosition> = record({ index: number, term: number });
const membership: fc.Arbitrary<Membership> = fc
  .uniqueArray(fc.string({ minLength: 1, unit: 'grapheme' }), { maxLength: 6 })
  .chain((names) => fc.tuple(fc.constant(names.map(peerIdOf)), fc.nat(6), fc.subarray(names.map(peerIdOf))))
  .map(([names, split, outgoing]) => membershipOf(names.slice(0, split), names.slice(split), outgoing));
const entry: fc.Arbitrary<Entry> = fc.oneof(
  record({ kind: fc.constant('command' as const), index: number, term: number, bytes }),
  record({ kind: fc.constant('blank' as const), index: number, term: number }),
  record({ kind: fc.constant('membership' as const), index: number, term: number, membership }),
);
const entries = fc.array(entry, { maxLength: 5 });
const snapshot = record({ index: number, term: number, membership });
const hardState = record({
  term: number,
  vote: fc.option(fc.string().map(peerIdOf), { nil: undefined }),
  isJoining: flag,
});

/** One generator a kind: the compiler knows of a kind that has none. */
const messages: { readonly [Kind in MessageKind]: fc.Arbitrary<Omit<MessageOf<Kind>, 'kind'>> } = {
  'pre-vote-request': record({ term: number, last: position }),
  'pre-vote-reply': record({ term: number, asked: number, isGranted: flag, last: position }),
  'vote-request': record({ term: number, last: position, isTransfer: flag }),
  'vote-reply': record({ term: number, isGranted: flag }),
  append: record({ term: number, previous: position, entries, commit: number }),
  'append-accepted': record({ term: number, match: number, isJoining: flag }),
  'append-refused': record({ term: number, previousIndex: number, hint: position, isJoining: flag }),
  heartbeat: record({ term: number, commit: number, round: number }),
  'heartbeat-reply': record({ term: number, round: number }),
  'timeout-now': record({ term: number }),
  'snapshot-offer': record({ term: number, snapshot }),
  pull: record({ previous: position }),
  'pull-reply': record({ previous: position, entries, commit: number, last: position }),
  'pull-snapshot': record({ snapshot, last: position }),
  'snapshot-pull': record({ place: position, offset: number }),
  'snapshot-chunk': record({ place: position, offset: number, bytes, isLast: flag }),
};
const kinds = Object.keys(messages) as MessageKind[];
const message: fc.Arbitrary<Message> = fc
  .constantFrom(...kinds)
  .chain((kind) =>
    (messages[kind] as fc.Arbitrary<object>).map((fields) => ({ kind, ...fields }) as Message),
  );

test('a message is what it was, after bytes', () => {
  fc.assert(
    fc.property(message, (each) => assert.deepEqual(decodeMessage(encodeMessage(each)), { ...each })),
    { numRuns },
  );
});

test('what is cut, lengthened or altered is refused or another message, never an exception', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.nat(255), (each, place, byte) => {
      const encoded = encodeMessage(each);
      assert.equal(decodeMessage(encoded.subarray(0, place % encoded.length)), undefined);
      assert.equal(decodeMessage(Buffer.concat([encoded, Buffer.from([byte])])), undefined);
      const altered = Buffer.from(encoded);
      altered[place % altered.length] = byte;
      const read = decodeMessage(altered);
      if (read !== undefined) assert.deepEqual(encodeMessage(read), altered);
    }),
    { numRuns },
  );
});

test('a count that the bytes cannot hold costs nothing', () => {
  const encoded = encodeMessage({
    kind: 'append',
    term: 1,
    previous: { index: 0, term: 0 },
    entries: [],
    commit: 0,
  });
  const lying = Buffer.concat([
    encoded.subarray(0, 5),
    Buffer.from('ffffffffffff07', 'hex'),
    encoded.subarray(6),
  ]);
  assert.equal(decodeMessage(lying), undefined);
});

test('what a journal keeps is what it was, after bytes', () => {
  fc.assert(
    fc.property(fc.option(hardState, { nil: undefined }), entries, snapshot, (state, list, mark) => {
      const write = { hardState: state, entries: list };
      assert.deepEqual(decodeLogWrite(encodeLogWrite(write)), write);
      assert.deepEqual(decodeSnapshotMark(encodeSnapshotMark(mark)), mark);
    }),
    { numRuns },
  );
});

test('golden bytes: version 1 is readable for ever', () => {
  const golden: readonly [Message, string][] = [
    [{ kind: 'heartbeat', term: 3, commit: 300, round: 7 }, '010803ac0207'],
    [
      {
        kind: 'append',
        term: 2,
        previous: { index: 1, term: 1 },
        entries: [{ kind: 'command', index: 2, term: 2, bytes: Buffer.from('x') }],
        commit: 1,
      },
      '010502010101010202017801',
    ],
    [
      {
        kind: 'snapshot-offer',
        term: 4,
        snapshot: { index: 9, term: 4, membership: membershipOf([peerIdOf('a')], [peerIdOf('b')]) },
      },
      '010b04090401016100010162',
    ],
  ];
  for (const [each, hex] of golden) {
    assert.equal(encodeMessage(each).toString('hex'), hex);
    assert.deepEqual(decodeMessage(Buffer.from(hex, 'hex')), each);
  }
});
