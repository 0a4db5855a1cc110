import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeIdOf } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { type ClusterState, encodeCommand, foundCluster, recovered } from '../topology/index.ts';
import { AgreedState, verdictsMax } from './agreed-state.ts';
import { encodeProposal, type Proposal } from './proposal.ts';

const node = nodeIdOf('a@a');

function founded(): ClusterState {
  const member = {
    node,
    instance: '00',
    address: { host: '127.0.0.1', port: 1 },
    location: undefined,
    status: 'joining',
    capabilities: new Map(),
  } as const;
  return foundCluster({ clusterId: 'c', member, ringSize: 8, targetN: 3 });
}

function proposalOf(number: number, changes: Partial<Proposal> = {}): Buffer {
  const value = Buffer.from(String(number));
  const command = encodeCommand({ kind: 'register', changes: [{ name: byteLiteral('x'), value }] });
  const madeAt = { generation: 1, epoch: 1 };
  return encodeProposal({ proposer: node, life: 'one', number, madeAt, command, ...changes });
}

function valueIn({ cluster }: AgreedState): string | undefined {
  return cluster.registry.get(byteLiteral('x'))?.value.toString();
}

test('G1: a copy of a proposal changes nothing, and hears the same verdict', () => {
  const agreed = AgreedState.beginningWith(founded());
  const first = agreed.fold(proposalOf(1));
  agreed.fold(proposalOf(2));
  const copy = agreed.fold(proposalOf(1));
  assert.equal(first.kind, 'new');
  assert.equal(copy.kind, 'copy');
  assert.deepEqual(copy.verdict, first.verdict);
  assert.equal(valueIn(agreed), '2');
  assert.equal(agreed.cluster.epoch, 3);
});

test('G1: a number of another life, or of another node, is another proposal', () => {
  const agreed = AgreedState.beginningWith(founded());
  agreed.fold(proposalOf(1));
  assert.equal(agreed.fold(proposalOf(1, { life: 'two' })).kind, 'new');
  assert.equal(agreed.fold(proposalOf(1, { proposer: nodeIdOf('b@b') })).kind, 'new');
});

test('G1: what is forgotten is late, and what was made since is not', () => {
  const agreed = AgreedState.beginningWith(founded());
  agreed.fold(proposalOf(0));
  for (let i = 1; i <= verdictsMax; i++) {
    const { generation, epoch } = agreed.cluster;
    assert.equal(agreed.fold(proposalOf(i, { madeAt: { generation, epoch } })).kind, 'new');
  }
  const { epoch } = agreed.cluster;
  assert.deepEqual(agreed.fold(proposalOf(0)), {
    kind: 'late',
    id: 'a@a one 0',
    verdict: { kind: 'late' },
  });
  assert.equal(agreed.cluster.epoch, epoch, 'G3: what is late raises no epoch');
  assert.equal(agreed.fold(proposalOf(1, { madeAt: { generation: 1, epoch: 2 } })).kind, 'copy');
  // Made at the epoch at which the first was folded: it cannot be that one, nor one before.
  assert.equal(agreed.fold(proposalOf(9999, { madeAt: { generation: 1, epoch: 2 } })).kind, 'new');
  assert.equal(agreed.fold(proposalOf(9998, { madeAt: { generation: 1, epoch: 1 } })).kind, 'late');
});

test('G2: nothing that was proposed before a recovery is folded after it', () => {
  const agreed = AgreedState.beginningWith(recovered(founded(), new Set([node])));
  assert.equal(agreed.fold(proposalOf(1)).kind, 'late');
  const { generation, epoch } = agreed.cluster;
  assert.equal(agreed.fold(proposalOf(1, { madeAt: { generation, epoch } })).kind, 'new');
});

test('a snapshot at any moment changes nothing that follows', () => {
  const delivery = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 40 });
  fc.assert(
    fc.property(delivery, fc.nat(40), (numbers, at) => {
      const whole = AgreedState.beginningWith(founded());
      let restored = AgreedState.beginningWith(founded());
      const folded = new Set<number>();
      for (const [i, number] of numbers.entries()) {
        if (i === at) restored = AgreedState.decode(restored.encode())!;
        const expected = folded.has(number) ? 'copy' : 'new';
        folded.add(number);
        assert.equal(whole.fold(proposalOf(number)).kind, expected);
        assert.equal(restored.fold(proposalOf(number)).kind, expected);
      }
      assert.deepEqual(restored.encode(), whole.encode());
      assert.equal(whole.cluster.epoch, 1 + folded.size);
    }),
  );
});

test('what was committed and cannot be read is not skipped', () => {
  const agreed = AgreedState.beginningWith(founded());
  assert.throws(() => agreed.fold(Buffer.from('?')), /known version/);
});
