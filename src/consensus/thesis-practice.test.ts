/** Sentences of Ongaro's thesis, chapters 5 to 10: snapshots, clients, elections and pipelines in practice. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { Group } from './group.fixture.ts';
import { emptySnapshot, membershipOf } from './index.ts';
import { a, b, c, command, LoneReplica, ofKind, persistedWith, sent } from './lone-replica.fixture.ts';

const nothing = { index: 0, term: 0 };
const far = { index: 99, term: 99 };

test('Raft §5: the log is cut behind a snapshot, and a follower that is too late gets it in pieces', () => {
  const options = { snapshotLogEntries: 20, trailingEntriesMax: 5, snapshotChunkBytesMax: 32 };
  const group = new Group('abc', { seed: 10, options });
  group.lead('a');
  group.host('c').crash();
  for (let i = 0; i < 100; i++) group.commit(`x${i}`);
  assert.ok(group.host('a').replica.status().snapshotIndex > 60);
  group.host('c').boot();
  group.runUntil('c has it all', () => group.host('c').commands.length === 100);
  assert.equal(group.invariants.installs, 1);
  assert.deepEqual(group.host('c').commands, group.host('a').commands);
});

test('Raft §5: a snapshot whose transfer is cut goes on where it was', () => {
  const options = { snapshotLogEntries: 20, trailingEntriesMax: 5, snapshotChunkBytesMax: 8 };
  const offsets: number[] = [];
  const group = new Group('abc', {
    seed: 11,
    options,
    watch: (_from, _to, message) => {
      if (message.kind === 'snapshot-pull') offsets.push(message.offset);
    },
  });
  group.lead('a');
  group.host('c').crash();
  for (let i = 0; i < 60; i++) group.commit(`x${i}`);
  group.host('c').boot();
  group.runUntil('it has begun', () => offsets.length > 5);
  group.cut('a', 'c');
  group.run(600);
  group.heal();
  group.runUntil('c has it all', () => group.host('c').commands.length === 60);
  assert.equal(offsets.filter((offset) => offset === 0).length, 1);
});

test('Raft §6.2: a leader without a quorum steps down within the election timeout', () => {
  const leader = new LoneReplica().win();
  leader.now += 999;
  leader.receive('b', { kind: 'heartbeat-reply', term: 2, round: 1 });
  leader.wait(999);
  assert.equal(leader.status.role, 'leader');
  leader.wait(1);
  assert.deepEqual([leader.status.role, leader.status.leader], ['follower', undefined]);
});

test('Raft §6.4: reads wait for an entry of the own term, then for a round of heartbeats begun after them', () => {
  const leader = new LoneReplica(persistedWith([2])).win();
  const refused = ofKind(leader.step({ kind: 'read', tokens: [1] }), 'refused');
  assert.deepEqual(
    refused.map(({ reason }) => reason),
    ['not-ready'],
  );
  leader.accept('b', 3);
  leader.receive('b', { kind: 'heartbeat-reply', term: 3, round: 1 });
  const [round] = sent(leader.step({ kind: 'read', tokens: [2, 3] }), 'heartbeat');
  assert.deepEqual(
    ofKind(leader.receive('b', { kind: 'heartbeat-reply', term: 3, round: 1 }), 'read-ready'),
    [],
  );
  const ready = leader.receive('b', { kind: 'heartbeat-reply', term: 3, round: round!.round });
  assert.deepEqual(
    ofKind(ready, 'read-ready').map(({ token, index }) => [token, index]),
    [
      [2, 3],
      [3, 3],
    ],
  );
});

test('Raft §6.4: reads that come during a round share the next one', () => {
  const leader = new LoneReplica().win();
  leader.accept('b', 2);
  leader.receive('b', { kind: 'heartbeat-reply', term: 2, round: 1 });
  leader.step({ kind: 'read', tokens: [1] });
  for (let token = 2; token < 50; token++) {
    assert.deepEqual(sent(leader.step({ kind: 'read', tokens: [token] }), 'heartbeat'), []);
  }
  const next = leader.receive('c', { kind: 'heartbeat-reply', term: 2, round: 2 });
  assert.deepEqual(
    ofKind(next, 'read-ready').map(({ token }) => token),
    [1],
  );
  assert.deepEqual(
    sent(next, 'heartbeat').map(({ round }) => round),
    [3, 3],
  );
  const last = leader.receive('c', { kind: 'heartbeat-reply', term: 2, round: 3 });
  assert.equal(ofKind(last, 'read-ready').length, 48);
});

test('Raft §6.4: reads of a leader that is deposed are refused', () => {
  const leader = new LoneReplica().win();
  leader.accept('b', 2);
  leader.receive('b', { kind: 'heartbeat-reply', term: 2, round: 1 });
  leader.step({ kind: 'read', tokens: [1] });
  const effects = leader.receive('c', { kind: 'heartbeat', term: 3, round: 1, commit: 0 });
  assert.deepEqual(
    ofKind(effects, 'refused').map(({ token, reason }) => [token, reason]),
    [[1, 'not-leader']],
  );
});

test('Raft §6.4.1: a lease answers at once, for the election timeout less the drift, from the round on', () => {
  const drift = 0.1;
  const leader = new LoneReplica(persistedWith([]), { leaseDriftMax: drift }).win();
  leader.accept('b', 2);
  const begun = leader.now;
  const reads = () => ofKind(leader.step({ kind: 'read', tokens: [1] }), 'read-ready').length;
  assert.equal(reads(), 0, 'no round was answered');
  leader.now += 300;
  leader.receive('b', { kind: 'heartbeat-reply', term: 2, round: 1 });
  leader.now = begun + (1000 * (1 - drift)) / (1 + drift) - 1;
  assert.equal(reads(), 1);
  leader.now += 1;
  assert.equal(reads(), 0, 'counted from the beginning of the round, not from its answer');
});

test('R85: a leader that was paused beyond its time answers no read', () => {
  const leader = new LoneReplica(persistedWith([]), { leaseDriftMax: 0 }).win();
  leader.accept('b', 2);
  leader.receive('b', { kind: 'heartbeat-reply', term: 2, round: 1 });
  leader.now += 5000;
  // It knows before it does anything else, whatever comes first.
  assert.equal(ofKind(leader.propose('x'), 'accepted').length, 0);
  const effects = leader.step({ kind: 'read', tokens: [1] });
  assert.deepEqual(
    ofKind(effects, 'refused').map(({ reason }) => reason),
    ['not-leader'],
  );
});

test('Raft §6.4.1 and §3.10: who asked another to take over has no lease any more in this term', () => {
  const leader = new LoneReplica(persistedWith([]), { leaseDriftMax: 0 }).win();
  leader.accept('b', 2);
  leader.receive('b', { kind: 'heartbeat-reply', term: 2, round: 1 });
  assert.equal(ofKind(leader.step({ kind: 'read', tokens: [1] }), 'read-ready').length, 1);
  leader.step({ kind: 'transfer-leadership', token: 2, to: b });
  assert.equal(ofKind(leader.step({ kind: 'read', tokens: [3] }), 'read-ready').length, 0);
});

test('Raft §6.4.1: after a restart a leader that may have been heard is still believed in', () => {
  const replica = new LoneReplica(persistedWith([2]));
  replica.now = 999;
  const request = { kind: 'pre-vote-request', term: 3, last: far } as const;
  assert.equal(sent(replica.receive('b', request), 'pre-vote-reply')[0]?.isGranted, false);
  replica.now = 1000;
  assert.equal(sent(replica.receive('b', request), 'pre-vote-reply')[0]?.isGranted, true);
});

test('Raft §9.6: a pre-vote changes nothing at the voter, and a lost one nothing at the candidate', () => {
  const replica = new LoneReplica(persistedWith([2]));
  replica.timeOut();
  for (const from of ['b', 'c'] as const) {
    replica.receive(from, { kind: 'pre-vote-reply', term: 2, asked: 3, isGranted: false, last: nothing });
  }
  assert.deepEqual([replica.status.role, replica.status.term], ['pre-candidate', 2]);
  replica.receive('b', { kind: 'pre-vote-request', term: 7, last: far });
  assert.deepEqual(ofKind(replica.effects, 'persist'), []);
});

test('Raft §10.2.2: appends are pipelined up to the window, and batched beyond it', () => {
  const leader = new LoneReplica(persistedWith([]), { inFlightAppendsMax: 2 }).win();
  leader.accept('b', 2);
  const toB = (effects: ReturnType<LoneReplica['step']>) =>
    sent(effects, 'append')
      .filter(({ to }) => to === 'b')
      .map(({ entries }) => entries.map(({ index }) => index));
  assert.deepEqual(
    ['x', 'y', 'z', 'u'].map((text) => toB(leader.propose(text))),
    [[[3]], [[4]], [], []],
  );
  assert.deepEqual(toB(leader.accept('b', 3)), [[5, 6]]);
});

test('an append that is lost is sent again after the next heartbeats', () => {
  const leader = new LoneReplica().win();
  leader.accept('b', 2);
  leader.propose('x');
  for (let round = 2; round <= 4; round++) {
    leader.wait(100);
    leader.receive('b', { kind: 'heartbeat-reply', term: 2, round });
  }
  const again = sent(leader.effects, 'append').filter(({ to, entries }) => to === 'b' && entries.length > 0);
  assert.ok(again.length >= 2, 'x was sent twice');
});

test('limits: what is too large or too much is refused, and taken again when there is room', () => {
  const limits = { proposalBytesMax: 100, uncommittedBytesMax: 200 };
  const leader = new LoneReplica(persistedWith([]), limits).win();
  leader.accept('b', 2);
  const reasons = (size: number) =>
    [...ofKind(leader.propose('x'.repeat(size)), 'refused')].map(({ reason }) => reason);
  assert.deepEqual(reasons(101), ['too-large']);
  assert.deepEqual(reasons(100), []);
  assert.deepEqual(reasons(100), ['busy']);
  leader.accept('b', 3);
  assert.deepEqual(reasons(100), []);
});

test('a snapshot that is offered for what is here already is only acknowledged', () => {
  const replica = new LoneReplica(persistedWith([2, 2]));
  const snapshot = { ...emptySnapshot, index: 3, term: 2, membership: membershipOf([a, b, c]) };
  const effects = replica.receive('b', { kind: 'snapshot-offer', term: 2, snapshot });
  assert.equal(sent(effects, 'append-accepted')[0]?.match, 3);
  assert.equal(replica.status.commit, 3);
  assert.deepEqual(sent(effects, 'snapshot-pull'), []);
});

test('a snapshot piece is put aside before the next is asked for, and the last installs', () => {
  const replica = new LoneReplica();
  const membership = membershipOf([a, b, c]);
  const place = { index: 9, term: 2 };
  replica.receive('b', { kind: 'snapshot-offer', term: 2, snapshot: { ...place, membership } });
  const piece = (offset: number, text: string, isLast: boolean) =>
    replica.receive('b', { kind: 'snapshot-chunk', place, offset, bytes: Buffer.from(text), isLast });
  const [first] = ofKind(piece(0, 'abc', false), 'write-snapshot');
  assert.deepEqual(
    first?.onceDurable.map(({ message }) => message),
    [{ kind: 'snapshot-pull', place, offset: 3 }],
  );
  assert.deepEqual(piece(0, 'abc', false), [], 'doubled');
  const last = piece(3, 'de', true);
  const kinds = ['write-snapshot', 'membership', 'install-snapshot', 'persist', 'send'];
  assert.deepEqual(
    last.map(({ kind }) => kind),
    kinds,
  );
  assert.equal(ofKind(last, 'install-snapshot').length, 1);
  assert.equal(sent(last, 'append-accepted')[0]?.match, 9);
  assert.equal(replica.status.applied, 9);
});

test('a pull that arrives late does not undo what was acknowledged meanwhile', () => {
  const persisted = persistedWith([2, 2]);
  const replica = new LoneReplica(persisted);
  replica.timeOut();
  const last = { index: 4, term: 3 };
  replica.receive('b', { kind: 'pre-vote-reply', term: 2, asked: 3, isGranted: false, last });
  // A leader that speaks ends the pull, and what it brings is acknowledged.
  const entries = [command(2, 5), command(3, 5)];
  const previous = { index: 1, term: 1 };
  replica.receive('c', { kind: 'append', term: 5, previous, entries, commit: 0 });
  const late = [command(1, 1), command(2, 2), command(3, 3), command(4, 3)];
  const pulled = { kind: 'pull-reply', previous: nothing, entries: late, commit: 0, last } as const;
  replica.receive('b', pulled);
  assert.equal(replica.status.lastIndex, 3);
  // The same if the leader falls silent and another pull from the same peer is under way.
  replica.timeOut();
  replica.receive('b', {
    kind: 'pre-vote-reply',
    term: 5,
    asked: 6,
    isGranted: false,
    last: { index: 9, term: 6 },
  });
  replica.receive('b', pulled);
  assert.equal(replica.status.lastIndex, 3, 'its end is behind this log');
});
