import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Instant } from '../../environment/index.ts';
import { Campaign } from '../election/campaign.ts';
import { type PeerId, peerIdOf } from '../peer-id.ts';
import { membershipOf, membersOf } from './membership.ts';
import { decideChange } from './membership-change.ts';
import { hasQuorum, quorumValue } from './quorum.ts';

const peers = (names: string): PeerId[] => Array.from(names, (name) => peerIdOf(name));
const some = fc.subarray(peers('abcdefgh'), { minLength: 1 });
const membership = fc
  .tuple(some, fc.subarray(peers('abcdefgh')))
  .map(([voters, outgoing]) => membershipOf(voters, [], outgoing));

test('Raft §4.3: any two quorums of one membership meet, and those of joint ones meet those of both sides', () => {
  fc.assert(
    fc.property(membership, some, some, (joint, first, second) => {
      const isQuorum = (of: typeof joint, set: PeerId[]): boolean =>
        hasQuorum(of, (peer) => set.includes(peer));
      const meet = first.some((peer) => second.includes(peer));
      if (isQuorum(joint, first) && isQuorum(joint, second)) assert.ok(meet);
      const settled = membershipOf(joint.voters);
      if (isQuorum(joint, first) && isQuorum(settled, second)) assert.ok(meet);
      if (joint.outgoing.length === 0) return;
      const before = membershipOf(joint.outgoing);
      if (isQuorum(joint, first) && isQuorum(before, second)) assert.ok(meet);
    }),
    { numRuns: 2000 },
  );
});

test('the value that a quorum has reached is the greatest for which enough have as much', () => {
  fc.assert(
    fc.property(membership, fc.array(fc.nat(9), { minLength: 8, maxLength: 8 }), (of, values) => {
      const reachedBy = (peer: PeerId): number => values[peers('abcdefgh').indexOf(peer)]!;
      const reached = quorumValue(of, reachedBy);
      assert.ok(hasQuorum(of, (peer) => reachedBy(peer) >= reached));
      assert.ok(!hasQuorum(of, (peer) => reachedBy(peer) > reached));
    }),
    { numRuns: 2000 },
  );
});

test('nobody is a quorum of no voters', () => {
  assert.equal(
    hasQuorum(membershipOf([]), () => true),
    false,
  );
  assert.equal(
    quorumValue(membershipOf([]), () => 7),
    Number.NEGATIVE_INFINITY,
  );
});

test('Raft §4.3: a candidate of a joint membership needs both majorities', () => {
  const joint = membershipOf(peers('abc'), [], peers('cde'));
  const campaign = new Campaign(2, 0 as Instant);
  assert.equal(campaign.record(peerIdOf('a'), true, joint), 'waiting');
  assert.equal(campaign.record(peerIdOf('b'), true, joint), 'waiting');
  assert.equal(campaign.record(peerIdOf('d'), true, joint), 'waiting');
  assert.equal(campaign.record(peerIdOf('d'), false, joint), 'waiting', 'the first word stands');
  assert.equal(campaign.record(peerIdOf('e'), true, joint), 'won');
  const lost = new Campaign(2, 0 as Instant);
  lost.record(peerIdOf('d'), false, joint);
  assert.equal(lost.record(peerIdOf('e'), false, joint), 'lost');
});

test('a change names each once, enough and not too many', () => {
  const limits = { votersMax: 3, learnersMax: 2, promotionLagMax: 10 };
  const situation = {
    current: membershipOf(peers('abc'), peers('de')),
    isCurrentCommitted: true,
    hasCommittedInTerm: true,
    lastIndex: 100,
    promotableMatch: (peer: PeerId) => (peer === 'd' ? 90 : peer === 'e' ? 89 : undefined),
  };
  const decide = (voters: string, learners = '') => {
    const decision = decideChange({ voters: peers(voters), learners: peers(learners) }, situation, limits);
    return decision.kind === 'refused' ? decision.reason : membersOf(decision.membership).join('');
  };
  assert.equal(decide(''), 'malformed');
  assert.equal(decide('abcd'), 'malformed');
  assert.equal(decide('aab'), 'malformed');
  assert.equal(decide('ab', 'a'), 'malformed');
  assert.equal(decide('abc', 'xyz'), 'malformed');
  assert.equal(decide('abe'), 'not-caught-up');
  assert.equal(decide('abx'), 'not-caught-up');
  assert.equal(decide('abd'), 'abcd');
  assert.equal(decide('abc', 'x'), 'abcx');
});
