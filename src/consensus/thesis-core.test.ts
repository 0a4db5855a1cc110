/** Sentences of Ongaro's thesis, chapter 3: the algorithm without membership changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  a,
  b,
  command,
  LoneReplica,
  ofKind,
  persistedWith,
  sent,
  writtenTerms,
} from './lone-replica.fixture.ts';

const nothing = { index: 0, term: 0 };
const far = { index: 9, term: 9 };

test('Raft §3.3: a server whose term is smaller updates it and becomes follower', () => {
  const leader = new LoneReplica().win();
  const effects = leader.receive('b', { kind: 'heartbeat-reply', term: 7, round: 0 });
  assert.equal(leader.status.role, 'follower');
  assert.equal(ofKind(effects, 'persist')[0]?.hardState?.term, 7);
});

test('Raft §3.3: a request with a stale term is rejected, and its sender learns the new one', () => {
  const replica = new LoneReplica(persistedWith([2, 3]));
  const append = replica.receive('b', { kind: 'append', term: 2, previous: far, entries: [], commit: 0 });
  assert.deepEqual(
    sent(append, 'heartbeat-reply').map(({ to, term }) => [to, term]),
    [['b', 3]],
  );
  const vote = replica.receive('b', { kind: 'vote-request', term: 2, last: far, isTransfer: false });
  assert.equal(sent(vote, 'vote-reply')[0]?.isGranted, false);
  assert.equal(replica.status.leader, undefined);
});

test('Raft §3.4: a follower that hears no leader for the election timeout begins an election', () => {
  const replica = new LoneReplica();
  assert.equal(replica.deadline, 1500);
  assert.deepEqual(
    replica.wait(1499).filter(({ kind }) => kind === 'send'),
    [],
  );
  assert.deepEqual(
    sent(replica.wait(1), 'pre-vote-request').map(({ to, term }) => [to, term]),
    [
      ['b', 2],
      ['c', 2],
    ],
  );
});

test('Raft §3.4: heartbeats keep elections from beginning', () => {
  const replica = new LoneReplica();
  for (let i = 0; i < 100; i++) {
    replica.receive('b', { kind: 'heartbeat', term: 2, round: i, commit: 0 });
    assert.deepEqual(sent(replica.wait(1400), 'pre-vote-request'), []);
  }
  assert.equal(replica.status.leader, 'b');
});

test('Raft §3.4: a candidate increments its term, votes for itself, and asks once that is durable', () => {
  const replica = new LoneReplica();
  replica.timeOut();
  replica.isDiskSlow = true;
  const last = nothing;
  const won = replica.receive('b', { kind: 'pre-vote-reply', term: 1, asked: 2, isGranted: true, last });
  assert.deepEqual(ofKind(won, 'persist')[0]?.hardState, { term: 2, vote: a, isJoining: false });
  assert.deepEqual(sent(won, 'vote-request'), []);
  replica.write();
  assert.deepEqual(
    sent(replica.effects, 'vote-request').map(({ to }) => to),
    ['b', 'c'],
  );
});

test('Raft §3.4: a candidate does not count its own vote before it is durable', () => {
  const alone = { ...persistedWith([]), entries: [] };
  const single = new LoneReplica({
    ...alone,
    entries: [
      { kind: 'membership', index: 1, term: 1, membership: { voters: [a], outgoing: [], learners: [] } },
    ],
  });
  single.isDiskSlow = true;
  single.wait(0);
  assert.equal(single.status.role, 'candidate');
  single.write();
  assert.equal(single.status.role, 'leader');
  assert.equal(single.deadline, undefined, 'alone, a leader has nothing to wait for');
});

test('Raft §3.4: a candidate wins with a majority, and sends heartbeats at once', () => {
  const replica = new LoneReplica();
  replica.win();
  const heartbeats = sent(replica.effects, 'heartbeat');
  assert.deepEqual(
    heartbeats.map(({ to, term }) => [to, term]),
    [
      ['b', 2],
      ['c', 2],
    ],
  );
});

test('Raft §3.4: each server votes for one candidate a term, first come, and again for the same', () => {
  const replica = new LoneReplica();
  replica.now = 2000;
  const ask = (from: 'b' | 'c') =>
    sent(replica.receive(from, { kind: 'vote-request', term: 5, last: far, isTransfer: true }), 'vote-reply');
  assert.equal(ask('b')[0]?.isGranted, true);
  assert.equal(ask('c')[0]?.isGranted, false);
  assert.equal(ask('b')[0]?.isGranted, true);
});

test('Raft §3.4: a vote is on disk before it is told, and survives a restart', () => {
  const replica = new LoneReplica();
  replica.isDiskSlow = true;
  const request = { kind: 'vote-request', term: 5, last: far, isTransfer: true } as const;
  const effects = replica.receive('b', request);
  assert.deepEqual(sent(effects, 'vote-reply'), []);
  const [write] = ofKind(effects, 'persist');
  assert.deepEqual(write?.hardState, { term: 5, vote: b, isJoining: false });
  assert.equal(write?.onceDurable[0]?.message.kind, 'vote-reply');
  const restarted = new LoneReplica({ ...persistedWith([]), hardState: write.hardState });
  assert.equal(sent(restarted.receive('c', request), 'vote-reply')[0]?.isGranted, false);
});

test('Raft §3.4: a candidate that hears of a leader of its term follows it', () => {
  const replica = new LoneReplica();
  replica.timeOut();
  replica.receive('b', { kind: 'pre-vote-reply', term: 1, asked: 2, isGranted: true, last: nothing });
  assert.equal(replica.status.role, 'candidate');
  replica.receive('c', { kind: 'heartbeat', term: 2, round: 1, commit: 0 });
  assert.deepEqual([replica.status.role, replica.status.leader], ['follower', 'c']);
});

test('Raft §3.4: a split vote times out and begins anew', () => {
  const replica = new LoneReplica();
  replica.timeOut();
  replica.receive('b', { kind: 'pre-vote-reply', term: 1, asked: 2, isGranted: true, last: nothing });
  for (const from of ['b', 'c'] as const) {
    replica.receive(from, { kind: 'vote-reply', term: 2, isGranted: false });
  }
  assert.deepEqual(
    sent(replica.timeOut(), 'pre-vote-request').map(({ term }) => term),
    [3, 3],
  );
});

test('Raft §3.5: a follower refuses entries behind a place that it does not hold', () => {
  const replica = new LoneReplica(persistedWith([2, 2]));
  const append = {
    kind: 'append',
    term: 4,
    previous: { index: 3, term: 3 },
    entries: [command(4, 4)],
    commit: 0,
  } as const;
  const effects = replica.receive('b', append);
  assert.deepEqual(
    sent(effects, 'append-refused').map(({ hint }) => hint),
    [{ index: 2, term: 2 }],
  );
  assert.equal(replica.status.lastIndex, 3);
});

test('Raft §3.5: conflicting entries and all behind them are replaced, equal ones kept', () => {
  const persisted = persistedWith([2, 2, 2, 2]);
  const replica = new LoneReplica(persisted);
  const entries = [command(3, 2), command(4, 3)];
  const effects = replica.receive('b', {
    kind: 'append',
    term: 3,
    previous: { index: 2, term: 2 },
    entries,
    commit: 0,
  });
  assert.deepEqual(writtenTerms(persisted, effects), [1, 2, 2, 3]);
  assert.deepEqual(
    ofKind(effects, 'persist').flatMap((write) => write.entries.map(({ index }) => index)),
    [4],
  );
});

test('Raft §3.5: a doubled or older append changes nothing', () => {
  const persisted = persistedWith([2, 2, 2]);
  const replica = new LoneReplica(persisted);
  const append = {
    kind: 'append',
    term: 2,
    previous: { index: 1, term: 1 },
    entries: [command(2, 2)],
    commit: 0,
  } as const;
  const effects = replica.receive('b', append);
  assert.deepEqual(writtenTerms(persisted, effects), [1, 2, 2, 2]);
  assert.equal(sent(effects, 'append-accepted')[0]?.match, 2);
});

test('Raft §3.5: entries are acknowledged when they are durable', () => {
  const replica = new LoneReplica(persistedWith([]));
  replica.isDiskSlow = true;
  const append = {
    kind: 'append',
    term: 2,
    previous: { index: 1, term: 1 },
    entries: [command(2, 2)],
    commit: 0,
  } as const;
  assert.deepEqual(sent(replica.receive('b', append), 'append-accepted'), []);
  // Doubled, it finds them in memory, but not yet on disk.
  assert.deepEqual(sent(replica.receive('b', append), 'append-accepted'), []);
  replica.write();
  assert.deepEqual(
    sent(replica.effects, 'append-accepted').map(({ match }) => match),
    [2, 2],
  );
});

test('Raft §3.5: the commit index follows the leader, no further than what is known to match', () => {
  const replica = new LoneReplica(persistedWith([2, 2, 2]));
  const previous = { index: 2, term: 2 };
  replica.receive('b', { kind: 'append', term: 2, previous, entries: [command(3, 2)], commit: 9 });
  assert.equal(replica.status.commit, 3);
});

test('Raft §3.5: a leader that is refused goes back, skipping terms, until the logs agree', () => {
  const leader = new LoneReplica(persistedWith([2, 2, 2, 4, 4])).win();
  const hint = { index: 5, term: 3 };
  const term = leader.status.term;
  const effects = leader.receive('b', {
    kind: 'append-refused',
    term,
    previousIndex: 6,
    hint,
    isJoining: false,
  });
  assert.deepEqual(
    sent(effects, 'append').map(({ to, previous }) => [to, previous]),
    [['b', { index: 4, term: 2 }]],
  );
});

test('I10: a leader relies on what was acknowledged in an older term only until the follower may have pulled another log', () => {
  const leader = new LoneReplica(persistedWith([2, 2, 2, 2])).win();
  const { term, heartbeatMs } = { ...leader.status, ...leader.options };
  assert.deepEqual([term, leader.status.lastIndex], [3, 6]);
  const toldTo = (name: string): readonly number[] =>
    sent(leader.wait(heartbeatMs), 'heartbeat')
      .filter(({ to }) => to === name)
      .map(({ commit }) => commit);
  leader.accept('c', 4);
  leader.accept('b', 6);
  assert.equal(leader.status.commit, 6);
  assert.deepEqual(toldTo('c'), [0], 'a heartbeat compares no terms');
  assert.deepEqual(toldTo('b'), [6]);
  // It has pulled what a deposed leader left behind index 2.
  const hint = { index: 2, term: 2 };
  const refused = { kind: 'append-refused', term, previousIndex: 4, hint, isJoining: false } as const;
  const again = sent(leader.receive('c', refused), 'append');
  assert.deepEqual(
    again.map(({ to, previous }) => [to, previous]),
    [['c', hint]],
  );
  leader.accept('c', 6);
  assert.deepEqual(toldTo('c'), [6], 'an entry of this term stays');
});

test('Raft §3.6.1: votes go only to candidates whose log is as up-to-date: later last term, or as long', () => {
  const grants = (last: { index: number; term: number }): boolean | undefined => {
    const replica = new LoneReplica(persistedWith([2, 4, 4]));
    return sent(
      replica.receive('b', { kind: 'vote-request', term: 9, last, isTransfer: true }),
      'vote-reply',
    )[0]?.isGranted;
  };
  assert.equal(grants({ index: 4, term: 4 }), true);
  assert.equal(grants({ index: 3, term: 4 }), false);
  assert.equal(grants({ index: 9, term: 3 }), false);
  assert.equal(grants({ index: 1, term: 5 }), true);
});

test('Raft §3.6.2, figure 3.7: entries of earlier terms are not committed by counting', () => {
  const leader = new LoneReplica(persistedWith([2, 2])).win();
  assert.deepEqual([leader.status.term, leader.status.lastIndex], [3, 4]);
  leader.accept('b', 3);
  leader.accept('c', 3);
  assert.equal(leader.status.commit, 0, 'all three hold index 3, and it is not committed');
  leader.accept('b', 4);
  assert.equal(leader.status.commit, 4, 'with an entry of its own term, all before');
});

test('Raft §3.6: a leader counts itself only when the entry is on its own disk (§10.2.1)', () => {
  const leader = new LoneReplica().win();
  leader.accept('b', 2);
  leader.isDiskSlow = true;
  const effects = leader.propose('x');
  assert.equal(sent(effects, 'append').length, 1, 'it is sent meanwhile');
  leader.accept('b', 3);
  assert.equal(leader.status.commit, 2);
  leader.accept('c', 3);
  assert.equal(leader.status.commit, 3, 'two others are a quorum too');
  assert.equal(leader.status.applied, 2, 'but it is not applied before it is here as well');
  leader.write();
  assert.equal(leader.status.applied, 3);
});

test('Raft §3.10: leadership is handed to one that is up to date, which begins an election at once', () => {
  const leader = new LoneReplica().win();
  leader.step({ kind: 'transfer-leadership', token: 5, to: b });
  assert.deepEqual(
    ofKind(leader.propose('x'), 'refused').map(({ reason }) => reason),
    ['not-ready'],
  );
  assert.deepEqual(sent(leader.effects, 'timeout-now'), []);
  assert.deepEqual(
    sent(leader.accept('b', 2), 'timeout-now').map(({ to }) => to),
    ['b'],
  );
  const follower = new LoneReplica();
  follower.receive('b', { kind: 'heartbeat', term: 2, round: 1, commit: 0 });
  const effects = follower.receive('b', { kind: 'timeout-now', term: 2 });
  assert.deepEqual(
    sent(effects, 'vote-request').map(({ term, isTransfer }) => [term, isTransfer]),
    [
      [3, true],
      [3, true],
    ],
  );
});

test('Raft §3.10: a transfer that does not happen within the election timeout is given up', () => {
  const leader = new LoneReplica().win();
  leader.step({ kind: 'transfer-leadership', token: 5, to: b });
  leader.now += 900;
  leader.receive('c', { kind: 'heartbeat-reply', term: 2, round: 1 });
  assert.deepEqual(
    ofKind(leader.wait(100), 'transfer-ended').map(({ isDone }) => isDone),
    [false],
  );
  assert.equal(ofKind(leader.propose('x'), 'accepted').length, 1);
});
