/**
 * The cases of partial connectivity that defeat plain Raft (Ng, Haridi and Carbone, "Omni-Paxos: Breaking
 * the Barriers of Partial Connectivity", EuroSys '23, §2.2), and one-way cuts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Group, type GroupOptions } from './group.fixture.ts';

const electionsMsMax = 10_000;

function groupOf(names: string, given: Partial<GroupOptions> = {}): Group {
  const group = new Group(names, { seed: 7, ...given });
  group.awaitLeader();
  group.commit('before');
  group.run(500);
  return group;
}

/** Five replicas, of which `a` has missed what the others committed, and then only `a` reaches a quorum. */
function constrained(given: Partial<GroupOptions> = {}): Group {
  const group = groupOf('abcde', given);
  group.lead('c');
  group.leaveLinks(['bc', 'bd', 'be', 'cd', 'ce', 'de']);
  for (let i = 0; i < 20; i++) group.commit(`missed${i}`);
  group.run(500);
  assert.ok(!group.host('a').commands.includes('missed0'));
  group.leaveLinks(['ab', 'ad', 'ae']);
  return group;
}

test('quorum-loss leader: the only replica that reaches a quorum takes over from one that does not', () => {
  const group = groupOf('abcde');
  group.lead('c');
  group.leaveLinks(['ab', 'ac', 'ad', 'ae']);
  group.commit('after', electionsMsMax);
  assert.equal(group.leader?.id, 'a');
  group.run(60_000);
  assert.equal(group.leader?.id, 'a', 'and stays');
});

test('chain of three: the leader at one end stays, and the other end follows through the middle', () => {
  const group = groupOf('abc');
  group.lead('b');
  const { elections } = group.invariants;
  group.leaveLinks(['ab', 'ac']);
  for (let i = 0; i < 20; i++) {
    group.commit(`x${i}`, 1000);
    group.run(1000);
  }
  assert.equal(group.invariants.elections, elections, 'nobody was elected anew');
  assert.equal(group.leader?.id, 'b');
  group.run(3000);
  assert.ok(group.host('c').commands.includes('x19'), 'c has it all');
});

test('constrained election: the only replica that reaches a quorum is behind, catches up and leads', () => {
  const group = constrained();
  group.commit('after', electionsMsMax);
  assert.equal(group.leader?.id, 'a');
  assert.ok(group.host('a').commands.includes('missed19'));
});

test('constrained election, when what is missing is in a snapshot only', () => {
  const group = constrained({ options: { snapshotLogEntries: 10, trailingEntriesMax: 2 } });
  group.commit('after', electionsMsMax);
  assert.equal(group.leader?.id, 'a');
  assert.ok(group.invariants.installs > 0);
});

test('constrained election without pulling: plain Raft with pre-vote and check-quorum elects nobody', () => {
  const group = constrained({ drops: ({ kind }) => kind === 'pull' });
  group.run(120_000);
  assert.equal(group.leader, undefined);
});

test('a leader that hears nobody steps down, and the others elect another', () => {
  const group = groupOf('abc');
  group.lead('a');
  group.cut('b', 'a');
  group.cut('c', 'a');
  // Its heartbeats still reach them, until it gives up.
  group.runUntil('b or c leads', () => group.leader !== undefined && group.leader.id !== 'a', electionsMsMax);
  group.commit('after', electionsMsMax);
});

test('a leader that nobody hears is replaced', () => {
  const group = groupOf('abc');
  group.lead('a');
  group.cut('a', 'b');
  group.cut('a', 'c');
  group.runUntil('b or c leads', () => group.leader !== undefined && group.leader.id !== 'a', electionsMsMax);
  group.commit('after', electionsMsMax);
  assert.equal(group.host('a').replica.status().role, 'follower');
});

test('a replica that hears nobody disturbs nobody, however long, and comes back without an election', () => {
  const group = groupOf('abc');
  group.lead('a');
  const { elections } = group.invariants;
  group.cut('a', 'c');
  group.cut('b', 'c');
  group.run(120_000);
  group.heal();
  group.run(5000);
  group.commit('after');
  group.run(1000);
  assert.equal(group.invariants.elections, elections);
  assert.ok(group.host('c').commands.includes('after'));
});

test('a replica that got into a term of its own is led again', () => {
  const group = groupOf('abc');
  group.lead('a');
  // b is asked to take over and begins a term, but nobody hears of it.
  const before = group.host('b').replica.status().term;
  group
    .host('b')
    .step({ kind: 'message', from: group.host('a').id, message: { kind: 'timeout-now', term: before } });
  group.leaveLinks(['ac']);
  group.run(10_000);
  assert.ok(group.host('b').replica.status().term > before);
  group.heal();
  group.commit('after', electionsMsMax);
  group.runUntil('b follows', () => group.host('b').commands.includes('after'), electionsMsMax);
});
