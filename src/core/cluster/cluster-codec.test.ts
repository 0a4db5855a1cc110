/** Everything that the cluster log sends or stores comes back as it was; everything else is refused. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { membershipOf, peerIdOf } from '../../consensus/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import { foundCluster } from '../topology/index.ts';
import { type ClusterMessage, decodeClusterMessage, encodeClusterMessage } from './cluster-message.ts';
import { type ConsensusFrame, decodeConsensusFrame, encodeConsensusFrame } from './consensus-frame.ts';
import {
  decodeGuestReply,
  decodeGuestRequest,
  encodeGuestReply,
  encodeGuestRequest,
  type GuestReply,
  type GuestRequest,
} from './guest-message.ts';
import { decodeRecord, encodeRecord, type JournalRecord } from './journal-record.ts';
import { decodeProposal, encodeProposal } from './proposal.ts';

const node = nodeIdOf('a@a');
const at = { generation: 3, epoch: 2 ** 33 };
const bytes = Buffer.from([0, 1, 255]);
const refusal = { code: 'name_taken', reason: 'because' } as const;
const member = {
  node,
  instance: '00',
  address: { host: 'h', port: 1 },
  location: 'rack',
  status: 'joining',
  capabilities: new Map([['objects', 1]]),
  http: { host: 'h', port: 2 },
  protobuf: undefined,
} as const;

const messages: readonly ClusterMessage[] = [
  { kind: 'notice', at, leader: node, asks: true },
  { kind: 'notice', at, leader: undefined, asks: false },
  { kind: 'ack', at, replica: 'a@a/00' },
  { kind: 'propose', token: 7, timeoutMs: 5000, proposal: bytes },
  { kind: 'proposed', token: 7, leader: undefined, answer: { kind: 'elsewhere' } },
  { kind: 'proposed', token: 7, leader: node, answer: { kind: 'too-large' } },
  { kind: 'proposed', token: 7, leader: node, answer: { kind: 'judged', verdict: { kind: 'late' } } },
  {
    kind: 'proposed',
    token: 7,
    leader: node,
    answer: { kind: 'judged', verdict: { kind: 'folded', epoch: 9, refusal } },
  },
  {
    kind: 'proposed',
    token: 7,
    leader: node,
    answer: { kind: 'judged', verdict: { kind: 'folded', epoch: 9, refusal: undefined } },
  },
  { kind: 'pull', at, part: undefined },
  { kind: 'pull', at, part: { of: at, offset: 128 } },
  { kind: 'commands', at, commands: [bytes, Buffer.alloc(0)], digest: 'ff', last: at },
  { kind: 'state-part', of: at, offset: 1, total: 4, bytes, digest: 'ff' },
  { kind: 'survey', token: 1 },
  { kind: 'surveyed', token: 1, at, isLed: true },
  { kind: 'ready', what: 'verified', generation: 1, moves: [{ partition: 5 as Partition, since: 6 }] },
  { kind: 'ready', what: 'dropped', generation: 1, moves: [] },
];

const frames: readonly ConsensusFrame[] = [
  { generation: 2, from: peerIdOf('a/1'), to: peerIdOf('b/2'), message: { kind: 'timeout-now', term: 4 } },
];

const requests: readonly GuestRequest[] = [
  { kind: 'join', member, ringSize: 64 },
  { kind: 'fetch', of: undefined, offset: 0 },
  { kind: 'fetch', of: at, offset: 99 },
  { kind: 'standing', clusterId: 'c', node, instance: '00', at },
];

const replies: readonly GuestReply[] = [
  { kind: 'admitted', clusterId: 'c' },
  { kind: 'refused', ...refusal },
  { kind: 'unavailable', reason: 'no quorum' },
  { kind: 'state', of: at, offset: 1, total: 4, bytes },
  { kind: 'standing', standing: 'member' },
  { kind: 'standing', standing: 'removed' },
  { kind: 'standing', standing: 'unknown' },
];

const mark = { index: 5, term: 2, membership: membershipOf([peerIdOf('a/1')]) };
const records: readonly JournalRecord[] = [
  { kind: 'identity', identity: { node, instance: '00', clusterId: 'c', isRemoved: true } },
  { kind: 'state', state: foundCluster({ clusterId: 'c', member, ringSize: 8, targetN: 3 }) },
  { kind: 'command', at, command: bytes },
  { kind: 'replica', replica: { name: peerIdOf('a/1'), generation: 3, mark, agreed: bytes } },
  {
    kind: 'log',
    write: {
      hardState: { term: 2, vote: peerIdOf('a/1'), isJoining: false },
      entries: [{ kind: 'command', index: 6, term: 2, bytes }],
    },
  },
  { kind: 'no-replica' },
];

const proposal = { proposer: node, life: '00', number: 3, madeAt: at, command: bytes };

interface Codec<T> {
  readonly name: string;
  readonly values: readonly T[];
  readonly encode: (value: T) => Buffer;
  readonly decode: (bytes: Buffer) => T | undefined;
}

function hold<T>({ name, values, encode, decode }: Codec<T>): void {
  test(`${name}: what is written is read`, () => {
    for (const value of values) assert.deepEqual(decode(encode(value)), value);
  });
  test(`${name}: cut short, with more behind it, or of another version it is refused`, () => {
    for (const value of values) {
      const whole = encode(value);
      for (let end = 0; end < whole.length; end++) {
        assert.equal(decode(whole.subarray(0, end)), undefined);
      }
      assert.equal(decode(Buffer.concat([whole, Buffer.from([0])])), undefined);
      assert.equal(decode(Buffer.concat([Buffer.from([99]), whole.subarray(1)])), undefined);
    }
  });
  test(`${name}: no bytes make it throw`, () => {
    const garbage = fc.tuple(fc.constantFrom(...values), fc.nat(200), fc.nat(255));
    fc.assert(
      fc.property(garbage, ([value, place, byte]) => {
        const wrong = Buffer.from(encode(value));
        wrong[place % wrong.length] = byte;
        decode(wrong);
      }),
      { numRuns: 500 },
    );
  });
}

hold({
  name: 'messages',
  values: messages,
  encode: encodeClusterMessage,
  decode: decodeClusterMessage,
});
hold({ name: 'frames', values: frames, encode: encodeConsensusFrame, decode: decodeConsensusFrame });
hold({ name: 'requests', values: requests, encode: encodeGuestRequest, decode: decodeGuestRequest });
hold({ name: 'replies', values: replies, encode: encodeGuestReply, decode: decodeGuestReply });
hold({ name: 'records', values: records, encode: encodeRecord, decode: decodeRecord });
hold({ name: 'proposals', values: [proposal], encode: encodeProposal, decode: decodeProposal });
