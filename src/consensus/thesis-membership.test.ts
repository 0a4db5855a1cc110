/** Sentences of Ongaro's thesis, chapter 4: membership; and what a lost disk may not bring about. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Group } from './group.fixture.ts';
import { joiningState, membershipOf, peerIdOf } from './index.ts';
import {
  a,
  b,
  c,
  command,
  LoneReplica,
  ofKind,
  peersOf,
  persistedWith,
  sent,
} from './lone-replica.fixture.ts';

const d = peerIdOf('d');
const nothing = { index: 0, term: 0 };
const far = { index: 99, term: 99 };

function changed(group: Group, voters: string, learners = ''): void {
  const wanted = { voters: peersOf(voters), learners: peersOf(learners) };
  group.runUntil(`voters are ${voters}`, () => {
    const leader = group.leader;
    if (leader === undefined) return false;
    const { membership, commit } = leader.replica.status();
    if (isDeepStrictEqual(membership, { ...wanted, outgoing: [] }) && commit > 0) return true;
    leader.step({ kind: 'change-membership', token: group.token(), ...wanted });
    group.run(50);
    return false;
  });
  group.commit(`now ${voters}`);
}

test('Raft §4.1: a membership is in force as soon as it is in the log, and undone with it', () => {
  const replica = new LoneReplica(persistedWith([2]));
  const membership = membershipOf([a, b, d]);
  const entry = { kind: 'membership', index: 3, term: 2, membership } as const;
  replica.receive('b', {
    kind: 'append',
    term: 2,
    previous: { index: 2, term: 2 },
    entries: [entry],
    commit: 2,
  });
  assert.deepEqual(replica.status.membership, membership);
  const undone = [command(3, 3)];
  replica.receive('c', {
    kind: 'append',
    term: 3,
    previous: { index: 2, term: 2 },
    entries: undone,
    commit: 2,
  });
  assert.deepEqual(replica.status.membership, membershipOf([a, b, c]));
});

test('Raft §4.2.1: a new server catches up as a learner before it may vote', () => {
  const group = new Group('abc', { seed: 3 });
  const leader = group.awaitLeader();
  group.commit('x');
  group.add(d, joiningState());
  const voters = [a, b, c, d];
  leader.step({ kind: 'change-membership', token: 900, voters, learners: [] });
  assert.deepEqual(ofKind(leader.outcomes, 'refused').at(-1), {
    kind: 'refused',
    token: 900,
    reason: 'not-caught-up',
    leader: leader.id,
  });
  changed(group, 'abc', 'd');
  changed(group, 'abcd');
  assert.ok(group.host('d').commands.includes('x'));
  assert.equal(group.host('d').replica.status().isJoining, false);
});

test('Raft §4.2.2: a leader that is removed stays until that is committed, then another leads', () => {
  const group = new Group('abc', { seed: 4 });
  group.lead('a');
  changed(group, 'bc');
  assert.notEqual(group.leader?.id, 'a');
  assert.equal(group.host('a').replica.status().role, 'follower');
});

test('Raft §4.2.3: a removed server does not disturb the group, and learns of its removal', () => {
  const group = new Group('abc', { seed: 5 });
  group.lead('a');
  group.cut('a', 'c');
  changed(group, 'ab');
  const { elections } = group.invariants;
  group.run(60_000);
  assert.equal(group.invariants.elections, elections);
  assert.deepEqual(group.host('c').replica.status().membership.voters, [a, b], 'pulled from b');
});

test('Raft §4.2.3: while a leader is heard, votes for others are not even considered', () => {
  const replica = new LoneReplica();
  replica.receive('b', { kind: 'heartbeat', term: 2, round: 1, commit: 0 });
  replica.now = 999;
  assert.deepEqual(replica.receive('c', { kind: 'vote-request', term: 9, last: far, isTransfer: false }), []);
  assert.equal(replica.status.term, 2);
  replica.now = 1000;
  const effects = replica.receive('c', { kind: 'vote-request', term: 9, last: far, isTransfer: false });
  assert.equal(sent(effects, 'vote-reply')[0]?.isGranted, true);
});

test('Raft §4.3: joint: the old and the new voters must both agree, and then the new ones alone', () => {
  const group = new Group('abc', { seed: 6 });
  group.lead('a');
  for (const name of 'def') group.add(peerIdOf(name), joiningState());
  changed(group, 'abc', 'def');
  const leader = group.host('a');
  // Of the outgoing voters only the leader answers: no majority of them.
  for (const name of 'bc') group.host(name).crash();
  leader.step({ kind: 'change-membership', token: 1, voters: peersOf('def'), learners: [] });
  group.run(800);
  assert.deepEqual(leader.replica.status().membership.outgoing, [a, b, c], 'joint for as long');
  group.host('b').boot();
  group.runUntil('one of the new leads', () => 'def'.includes(group.leader?.id ?? 'none'));
  group.host('a').crash();
  group.host('b').crash();
  group.commit('by d, e and f alone');
});

test('Raft §4.3: a leader that takes over a joint membership settles it', () => {
  const group = new Group('abcd', { seed: 8 });
  group.lead('a');
  const leader = group.host('a');
  leader.step({ kind: 'change-membership', token: 1, voters: [b, c, d], learners: [] });
  group.run(1.5);
  leader.crash();
  group.commit('after');
  const { membership } = group.awaitLeader().replica.status();
  assert.deepEqual(membership.outgoing, []);
});

test('the bug of single-server changes (raft-dev, July 2015): no change before the own term is committed', () => {
  const leader = new LoneReplica(persistedWith([2])).win();
  const change = { kind: 'change-membership', token: 3, voters: [a, b], learners: [] } as const;
  assert.deepEqual(
    ofKind(leader.step(change), 'refused').map(({ reason }) => reason),
    ['not-ready'],
  );
  leader.accept('b', 3);
  assert.equal(ofKind(leader.step(change), 'accepted').length, 1);
  assert.deepEqual(leader.status.membership.outgoing, [a, b, c]);
  assert.deepEqual(
    ofKind(leader.step(change), 'refused').map(({ reason }) => reason),
    ['change-pending'],
  );
});

test('R80: a replica with an empty disk does not vote, until it has what was committed in this term', () => {
  const asks = { kind: 'vote-request', term: 9, last: far, isTransfer: true } as const;
  const joining = new LoneReplica(joiningState());
  assert.equal(sent(joining.receive('b', asks), 'vote-reply')[0]?.isGranted, false);
  const founding = persistedWith([]).entries;
  joining.receive('c', { kind: 'append', term: 9, previous: nothing, entries: founding, commit: 3 });
  assert.equal(joining.status.isJoining, true, 'there is more that was committed');
  const rest = [command(2, 4), command(3, 9)];
  joining.receive('c', {
    kind: 'append',
    term: 9,
    previous: { index: 1, term: 1 },
    entries: rest,
    commit: 2,
  });
  assert.equal(joining.status.isJoining, true, 'nothing of this term is known to be committed');
  joining.receive('c', { kind: 'append', term: 9, previous: { index: 3, term: 9 }, entries: [], commit: 3 });
  assert.equal(joining.status.isJoining, false);
});

test('a replica that nobody has told of a group forgets a leader that fell silent', () => {
  const joining = new LoneReplica(joiningState());
  assert.equal(joining.deadline, undefined);
  joining.receive('c', { kind: 'append', term: 9, previous: far, entries: [], commit: 3 });
  assert.equal(joining.status.leader, c);
  joining.timeOut();
  assert.equal(joining.status.leader, undefined);
  assert.equal(joining.status.role, 'follower');
  assert.equal(joining.deadline, undefined);
});

test('R81: who lost its disk and was refilled in part elects nobody who lacks what it once acknowledged', () => {
  const group = new Group('abc', { seed: 9 });
  group.lead('a');
  group.cut('a', 'c');
  group.commit('acknowledged by a and b');
  group.host('a').crash();
  group.host('b').crash();
  group.host('b').wipe(joiningState());
  group.heal();
  group.host('b').boot();
  group.run(60_000);
  assert.equal(group.leader, undefined, 'unavailable rather than wrong');
  group.host('a').boot();
  group.commit('after');
  group.runUntil('b has it', () => group.host('b').commands.includes('acknowledged by a and b'));
});
