import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import type { ClusterState, Member, MemberStatus } from './cluster-state.ts';
import { locationOf } from './member-location.ts';
import { FoldedCluster, memberOf } from './topology.fixture.ts';
import { chooseVoters, votersMax } from './voters.ts';

const statuses: readonly MemberStatus[] = [
  'valid',
  'valid',
  'valid',
  'down',
  'joining',
  'leaving',
  'exiting',
];
const founded = new FoldedCluster().state;

/** Members `n00`, `n01`, …, each `status@location`. */
function clusterOf(...members: string[]): ClusterState {
  const list = members.map((text, index): Member => {
    const [status, location] = text.split('@');
    const name = nodeIdOf(`n${String(index).padStart(2, '0')}@host`);
    return memberOf(name, { status: status as MemberStatus, location });
  });
  return { ...founded, members: new Map(list.map((member) => [member.node, member])) };
}

const named = (...numbers: number[]) => numbers.map((at) => nodeIdOf(`n${String(at).padStart(2, '0')}@host`));
const allOf = (state: ClusterState) => new Set(state.members.keys());
const random = fc
  .array(fc.tuple(fc.constantFrom(...statuses), fc.nat(3)), { minLength: 1, maxLength: 14 })
  .map((list) => clusterOf(...list.map(([status, rack]) => `${status}@r${rack}`)))
  .chain((state) => {
    const all = [...state.members.keys()];
    return fc.tuple(
      fc.constant(state),
      fc.subarray(all),
      fc.subarray(all, { maxLength: Math.min(votersMax, all.length) }),
    );
  });

test('voters are odd, at most seven, members who may vote; asked again the answer stays', () => {
  fc.assert(
    fc.property(random, ([state, reachable, current]) => {
      const present = new Set(reachable);
      const voters = chooseVoters(state, present, current);
      const mayVote = [...state.members.values()].filter(
        ({ status }) => status === 'valid' || status === 'down',
      );
      if (mayVote.length === 0) return assert.deepEqual(voters, []);
      assert.equal(voters.length % 2, 1);
      assert.equal(voters.length, Math.min(votersMax, mayVote.length - 1 + (mayVote.length % 2)));
      assert.equal(new Set(voters).size, voters.length);
      for (const voter of voters) assert.ok(mayVote.some(({ node }) => node === voter));
      assert.deepEqual(chooseVoters(state, present, voters), voters);
      const shuffled = { ...state, members: new Map([...state.members].reverse()) };
      assert.deepEqual(chooseVoters(shuffled, present, [...current].reverse()), voters);
      checkPresence(state, present, voters);
      checkSpread(state, present, voters);
    }),
    { numRuns: 1000 },
  );
});

/** Nobody who is away votes while somebody present could. */
function checkPresence(state: ClusterState, present: ReadonlySet<NodeId>, voters: readonly NodeId[]): void {
  const isPresent = (node: NodeId) => state.members.get(node)!.status === 'valid' && present.has(node);
  const idle = [...state.members.keys()].filter((node) => isPresent(node) && !voters.includes(node));
  if (idle.length > 0) assert.ok(voters.every(isPresent));
}

/** No exchange of one present voter for another present member would make locations more even. */
function checkSpread(state: ClusterState, present: ReadonlySet<NodeId>, voters: readonly NodeId[]): void {
  const at = (node: NodeId) => locationOf(state.members.get(node)!);
  const squares = (list: readonly NodeId[]) => {
    const counts = new Map<string, number>();
    for (const node of list) counts.set(at(node), (counts.get(at(node)) ?? 0) + 1);
    return [...counts.values()].reduce((sum, count) => sum + count * count, 0);
  };
  for (const [node, { status }] of state.members) {
    if (status !== 'valid' || !present.has(node) || voters.includes(node)) continue;
    for (const voter of voters) {
      const other = voters.map((each) => (each === voter ? node : each));
      assert.ok(squares(other) >= squares(voters), `${node} instead of ${voter}`);
    }
  }
}

test('a vote is kept while there is no reason to take it', () => {
  const state = clusterOf(...new Array(9).fill('valid@r'));
  const current = named(2, 3, 4, 5, 6, 7, 8);
  assert.deepEqual(chooseVoters(state, allOf(state), current), current);
  const without = new Set(allOf(state));
  without.delete(current[1]);
  assert.deepEqual(chooseVoters(state, without, current), named(0, 2, 4, 5, 6, 7, 8));
});

test('who leaves loses the vote; who is away keeps it where nobody can take it', () => {
  const leaving = clusterOf('leaving@r', 'valid@r', 'valid@r', 'valid@r');
  assert.deepEqual(chooseVoters(leaving, allOf(leaving), named(0, 1, 2)), named(1, 2, 3));
  const three = clusterOf('valid@r', 'down@r', 'valid@r');
  assert.deepEqual(chooseVoters(three, new Set(named(0)), named(0, 1, 2)), named(0, 1, 2));
  const four = clusterOf('valid@r', 'valid@r', 'valid@r', 'valid@r');
  assert.deepEqual(chooseVoters(four, new Set(named(1)), named(1, 2, 3)), named(1, 2, 3));
  const one = clusterOf('leaving@r', 'valid@r', 'joining@r');
  assert.deepEqual(chooseVoters(one, allOf(one), named(0)), named(1));
});

test('of two racks no more than one vote difference, though all voters stood in the first', () => {
  const state = clusterOf(...new Array(5).fill('valid@r1'), ...new Array(5).fill('valid@r2'));
  const voters = chooseVoters(state, allOf(state), named(0, 1, 2, 3, 4));
  assert.deepEqual(voters, named(0, 1, 2, 3, 5, 6, 7));
});
