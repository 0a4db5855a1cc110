import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeIdOf } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState, Move } from './cluster-state.ts';
import { unsoundness, unsoundnessSince } from './soundness.ts';
import { dealt, FoldedCluster, memberOf, nodes } from './topology.fixture.ts';

const [a, b, c, d] = nodes;

test('each fault of a state is found and named', () => {
  const cluster = new FoldedCluster().grow(b, c).apply({ kind: 'admit', member: memberOf(d) });
  const { state } = cluster
    .commit(dealt(8, [b, a, c]))
    .advance('copying', 0)
    .advance('switched', 0);
  assert.equal(unsoundness(state), undefined);
  const { owners, ownedSince, members, moves, epoch } = state;
  const withMember = (changes: Partial<ReturnType<typeof memberOf>>) =>
    new Map(members).set(b, { ...members.get(b)!, ...changes });
  const withMove = (changes: Partial<Move>, partition = 1) =>
    new Map(moves).set(1 as Partition, { ...moves.get(partition as Partition)!, ...changes });
  const faults: [RegExp, Partial<ClusterState>][] = [
    [/begin with 1/, { epoch: 0 }],
    [/begin with 1/, { generation: 0 }],
    [/outdated/, { planBasis: 0 }],
    [/outdated/, { planBasis: epoch + 1 }],
    [/replicas/, { targetN: 0 }],
    [/replicas/, { targetN: 65 }],
    [/9 partitions/, { owners: [...owners, a] }],
    [/since some epoch/, { ownedSince: ownedSince.slice(1) }],
    [/owned since the future/, { ownedSince: ownedSince.with(3, epoch + 1) }],
    [/under the name/, { members: withMember({ node: c }) }],
    [/another name too/, { members: withMember({ instance: members.get(c)!.instance }) }],
    [/was removed/, { removed: [members.get(c)!.instance] }],
    [/cannot own it/, { members: withMember({ status: 'joining' }) }],
    [/who is exiting/, { members: withMember({ status: 'exiting' }), moves: new Map() }],
    [/keeps/, { members: withMember({ status: 'leaving' }) }],
    [/no member/, { owners: owners.with(6, nodeIdOf('gone@h')), moves: new Map() }],
    [/stands under 1/, { moves: withMove({ partition: 2 as Partition }) }],
    [/since the future/, { moves: withMove({ since: epoch + 1 }) }],
    [
      /there is no partition 8/,
      { moves: new Map([[8 as Partition, { ...moves.get(1 as Partition)!, partition: 8 as Partition }]]) },
    ],
    [/cannot own it/, { moves: withMove({ to: d }) }],
    [/cannot own it/, { moves: withMove({ to: nodeIdOf('gone@h') }) }],
    [/goes nowhere/, { moves: withMove({ to: moves.get(1 as Partition)!.from! }) }],
    [/is no member/, { moves: withMove({ from: nodeIdOf('gone@h') }) }],
    [/it comes from/, { moves: withMove({ from: c }) }],
    [/it is released/, { moves: withMove({ stage: 'released' }) }],
    [/it is rebuilt/, { moves: withMove({ from: undefined }) }],
  ];
  assert.equal(unsoundnessSince(state, { ...state }), undefined);
  for (const [fault, changes] of faults) {
    assert.match(unsoundness({ ...state, ...changes }) ?? '', fault);
    assert.match(unsoundnessSince(state, { ...state, ...changes }) ?? '', fault);
  }
  const nobody = new Map([[a, memberOf(a, { status: 'exiting' })]]);
  assert.match(unsoundness({ ...state, members: nobody, moves: new Map() }) ?? '', /nobody can own/);
});
