import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeIdOf } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterCommand, ClusterState } from './cluster-state.ts';
import { decodeCommand, encodeCommand } from './command-codec.ts';
import { unsoundness } from './soundness.ts';
import { decodeState, encodeState, stateDigest } from './state-codec.ts';
import { command, dealt, FoldedCluster, foldHistory, memberOf, nodes, step } from './topology.fixture.ts';

const [a, b, c, d] = nodes;

test('a command is what it was, after bytes', () => {
  fc.assert(
    fc.property(command, (each) => assert.deepEqual(decodeCommand(encodeCommand(each)), each)),
    { numRuns: 1000 },
  );
});

test('a state of any history is what it was, after bytes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
      foldHistory(new FoldedCluster().grow(b, c, d).state, steps, (_before, _asked, { state }) => {
        const decoded = decodeState(encodeState(state));
        assert.deepEqual(decoded, state);
        assert.equal(stateDigest(decoded!), stateDigest(state));
      });
    }),
    { numRuns: 60, includeErrorInReport: true },
  );
});

test('what is cut, lengthened or altered is refused or another command, never an exception', () => {
  fc.assert(
    fc.property(command, fc.nat(), fc.nat(255), (each, place, byte) => {
      const encoded = encodeCommand(each);
      assert.equal(decodeCommand(encoded.subarray(0, place % encoded.length)), undefined);
      assert.equal(decodeCommand(Buffer.concat([encoded, Buffer.from([byte])])), undefined);
      const altered = Buffer.from(encoded);
      altered[place % altered.length] = byte;
      const read = decodeCommand(altered);
      if (read !== undefined) assert.deepEqual(decodeCommand(encodeCommand(read)), read);
    }),
    { numRuns: 1000 },
  );
});

test('altered bytes of a state are refused, or a state in which all holds that must hold', () => {
  const cluster = new FoldedCluster(16).grow(b, c).stage({ kind: 'remove', node: b });
  cluster
    .commit(dealt(16, [a, c]))
    .advance('copying', 1)
    .stage({ kind: 'leave', node: c });
  const encoded = encodeState(cluster.state);
  let refused = 0;
  for (let place = 0; place < encoded.length; place += 1) {
    for (const byte of [0, 1, 2, encoded[place] ^ 1, 0x80]) {
      const altered = Buffer.from(encoded);
      altered[place] = byte;
      const read = decodeState(altered);
      if (read === undefined) refused += 1;
      else assert.equal(unsoundness(read), undefined);
    }
    assert.equal(decodeState(encoded.subarray(0, place)), undefined);
  }
  assert.ok(refused > encoded.length);
});

test('equal states have equal bytes, in whatever order they were learnt', () => {
  const { state } = new FoldedCluster(16).grow(b, c).commit(dealt(16, [c, b, a]));
  const facts = ['x', 'y'].map(
    (name) => [byteLiteral(name), { value: Buffer.from(name), revision: 3 }] as const,
  );
  const one: ClusterState = { ...state, registry: new Map(facts) };
  const other: ClusterState = {
    ...state,
    members: new Map([...state.members].reverse()),
    moves: new Map([...state.moves].reverse()),
    registry: new Map([...facts].reverse()),
  };
  assert.deepEqual(encodeState(one), encodeState(other));
  assert.notEqual(stateDigest(one), stateDigest({ ...one, targetN: 2 }));
});

test('names out of order, or twice, are refused', () => {
  const capabilities = new Map(['kx', 'ky'].map((name) => [name, 1]));
  const encoded = encodeCommand({ kind: 'announce', member: memberOf(a, { capabilities }) }).toString(
    'latin1',
  );
  for (const names of [
    ['ky', 'kx'],
    ['kx', 'kx'],
  ]) {
    const altered = encoded.replace('kx', '##').replace('ky', names[1]).replace('##', names[0]);
    assert.equal(decodeCommand(Buffer.from(altered, 'latin1')), undefined);
  }
  const commit = encodeCommand(new FoldedCluster().commitOf(dealt(8, [a, b]))).toString('latin1');
  const swapped = commit.replace(a, '####').replace(b, a).replace('####', b);
  assert.notEqual(decodeCommand(Buffer.from(commit, 'latin1')), undefined);
  assert.equal(decodeCommand(Buffer.from(swapped, 'latin1')), undefined);
});

test('a digest tells states apart that differ in any part', () => {
  const { state } = new FoldedCluster().grow(b, c).commit(dealt(8, [c, b, a]));
  const digests = new Set([stateDigest(state)]);
  const other = memberOf(b, { status: 'valid', location: 'r' });
  const partition = 0 as Partition;
  const variants: Partial<ClusterState>[] = [
    { clusterId: 'd' },
    { generation: 2 },
    { epoch: state.epoch + 1 },
    { planBasis: 1 },
    { targetN: 1 },
    { owners: state.owners.with(0, c) },
    { ownedSince: state.ownedSince.with(0, 2) },
    { members: new Map(state.members).set(b, other) },
    { members: new Map(state.members).set(b, { ...other, http: { host: 'h', port: 1 } }) },
    { members: new Map(state.members).set(b, { ...other, protobuf: { host: 'h', port: 1 } }) },
    { members: new Map(state.members).set(b, { ...other, capabilities: new Map([['x', 2]]) }) },
    { moves: new Map(state.moves).set(partition, { ...state.moves.get(partition)!, stage: 'copying' }) },
    { moves: new Map() },
    { staged: [{ kind: 'leave', node: a }] },
    { staged: [{ kind: 'location', node: a, location: undefined }] },
    { staged: [{ kind: 'location', node: a, location: '' }] },
    { removed: ['i'] },
    { registry: new Map([[byteLiteral('x'), { value: Buffer.alloc(0), revision: 2 }]]) },
  ];
  for (const changes of variants) digests.add(stateDigest({ ...state, ...changes }));
  assert.equal(digests.size, variants.length + 1);
});

test('a count that the bytes cannot hold costs nothing', () => {
  const encoded = encodeCommand({ kind: 'advance', partitions: [], to: 'copying', asOf: 1 });
  const lying = Buffer.concat([encoded.subarray(0, 2), Buffer.from('ffffffffffff07', 'hex')]);
  assert.equal(decodeCommand(lying), undefined);
});

test('golden bytes: version 1 is readable for ever', () => {
  const golden: readonly [ClusterCommand, string][] = [
    [{ kind: 'clear' }, '0103'],
    [{ kind: 'cancel' }, '0104'],
    [{ kind: 'mark', node: nodeIdOf('a'), status: 'valid' }, '0106016101'],
    [{ kind: 'expel', node: nodeIdOf('a') }, '01080161'],
    [{ kind: 'advance', partitions: [1, 300] as Partition[], to: 'released', asOf: 9 }, '01070201ac020209'],
    [
      {
        kind: 'commit',
        planOf: { generation: 1, epoch: 5 },
        owners: ['b', 'a', 'b'].map(nodeIdOf),
        isForced: true,
      },
      '010501050201610162030100' + '0101',
    ],
    [
      { kind: 'stage', change: { kind: 'replace', node: nodeIdOf('a'), by: nodeIdOf('b') } },
      '01020301610162',
    ],
    [
      { kind: 'register', changes: [{ name: byteLiteral('x'), value: Buffer.from('v'), expected: 0 }] },
      '0109010178' + '010176' + '0100',
    ],
    [
      {
        kind: 'admit',
        member: {
          node: nodeIdOf('a'),
          instance: 'i',
          address: { host: 'h', port: 1 },
          location: 'r',
          status: 'joining',
          capabilities: new Map([['c', 2]]),
          http: undefined,
          protobuf: { host: 'p', port: 3 },
        },
      },
      '01000161' + '0169' + '016801' + '010172' + '00' + '01016302' + '00' + '01017003',
    ],
  ];
  for (const [each, hex] of golden) {
    assert.equal(encodeCommand(each).toString('hex'), hex);
    assert.deepEqual(decodeCommand(Buffer.from(hex, 'hex')), each);
  }
  const { state } = new FoldedCluster(8, nodeIdOf('a'));
  const hex =
    '01' +
    '0163' +
    '01010103' +
    '01' +
    '0161' +
    '0d696e7374616e6365206f662061' +
    '093132372e302e302e31' +
    'd836' +
    '00' +
    '01' +
    '01' +
    '087472616e73666572' +
    '01' +
    '0000' +
    '010161' +
    '080000000000000000' +
    '080101010101010101' +
    '00' +
    '00' +
    '00' +
    '00';
  assert.equal(encodeState(state).toString('hex'), hex);
});
