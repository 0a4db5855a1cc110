import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Message, type MessageKind, noMembership } from './index.ts';
import { command, LoneReplica, persistedWith } from './lone-replica.fixture.ts';
import { handlings } from './message-table.ts';
import { type Cause, type RoleName, transitions } from './role.ts';

const nothing = { index: 0, term: 0 };
const founding = persistedWith([]).entries[0]!;
const roles = Object.keys(transitions) as RoleName[];

function replicaAs(role: RoleName): LoneReplica {
  const replica = new LoneReplica(persistedWith([2]));
  if (role === 'leader') return replica.win();
  if (role === 'follower') {
    replica.receive('b', { kind: 'heartbeat', term: 2, round: 1, commit: 0 });
    return replica;
  }
  replica.timeOut();
  if (role === 'candidate') {
    replica.receive('b', { kind: 'pre-vote-reply', term: 2, asked: 3, isGranted: true, last: nothing });
  }
  assert.equal(replica.status.role, role);
  return replica;
}

/** What makes the cause happen to a replica in that role, as far as it can. */
const causes: { readonly [Each in Cause]: (replica: LoneReplica) => void } = {
  'election-timeout': (replica) => replica.timeOut(),
  'pre-vote-won': (replica) => {
    const { term } = replica.status;
    replica.receive('b', { kind: 'pre-vote-reply', term, asked: term + 1, isGranted: true, last: nothing });
  },
  'vote-won': (replica) =>
    replica.receive('b', { kind: 'vote-reply', term: replica.status.term, isGranted: true }),
  'leader-heard': (replica) =>
    replica.receive('b', { kind: 'heartbeat', term: replica.status.term, round: 1, commit: 0 }),
  'higher-term': (replica) => replica.receive('b', { kind: 'heartbeat-reply', term: 99, round: 0 }),
  'quorum-lost': (replica) => replica.wait(replica.options.electionTimeoutMs),
  'told-to-campaign': (replica) => replica.receive('b', { kind: 'timeout-now', term: replica.status.term }),
  removed: (replica) => {
    replica.accept('b', 3);
    const [b, c] = replica.status.membership.voters.slice(1);
    replica.step({ kind: 'change-membership', token: 1, voters: [b!, c!], learners: [] });
    for (const match of [4, 5]) for (const from of ['b', 'c'] as const) replica.accept(from, match);
  },
  'no-voter': (replica) => {
    // A peer that is ahead refuses the vote; what it has instead is that this replica was removed.
    const { term } = replica.status;
    const membership = { ...noMembership, voters: replica.status.membership.voters.slice(1) };
    const last = { index: 3, term };
    const asked = term + 1;
    replica.receive('b', { kind: 'pre-vote-reply', term, asked, isGranted: false, last });
    const entries = [command(2, 2), { kind: 'membership', index: 3, term, membership } as const];
    replica.receive('b', {
      kind: 'pull-reply',
      previous: nothing,
      entries: [founding, ...entries],
      commit: 0,
      last,
    });
  },
};

/** A cause of which the role knows nothing leaves it where it is; the others follow the table. */
const exercised: readonly (readonly [RoleName, Cause, RoleName])[] = [
  ['follower', 'election-timeout', 'pre-candidate'],
  ['follower', 'pre-vote-won', 'follower'],
  ['follower', 'vote-won', 'follower'],
  ['follower', 'leader-heard', 'follower'],
  ['follower', 'higher-term', 'follower'],
  ['follower', 'told-to-campaign', 'candidate'],
  ['pre-candidate', 'election-timeout', 'pre-candidate'],
  ['pre-candidate', 'pre-vote-won', 'candidate'],
  ['pre-candidate', 'vote-won', 'pre-candidate'],
  ['pre-candidate', 'leader-heard', 'follower'],
  ['pre-candidate', 'higher-term', 'follower'],
  ['pre-candidate', 'told-to-campaign', 'candidate'],
  ['pre-candidate', 'no-voter', 'follower'],
  ['candidate', 'election-timeout', 'pre-candidate'],
  ['candidate', 'pre-vote-won', 'candidate'],
  ['candidate', 'vote-won', 'leader'],
  ['candidate', 'leader-heard', 'follower'],
  ['candidate', 'higher-term', 'follower'],
  ['candidate', 'told-to-campaign', 'candidate'],
  ['leader', 'pre-vote-won', 'leader'],
  ['leader', 'vote-won', 'leader'],
  ['leader', 'higher-term', 'follower'],
  ['leader', 'quorum-lost', 'follower'],
  ['leader', 'told-to-campaign', 'leader'],
  ['leader', 'removed', 'follower'],
];

for (const [role, cause, expected] of exercised) {
  test(`${role}, ${cause}: ${expected}`, () => {
    const replica = replicaAs(role);
    causes[cause](replica);
    assert.equal(replica.status.role, expected);
    const inTable = transitions[role][cause];
    assert.equal(inTable === 'impossible' ? role : inTable, expected, 'the table says so too');
  });
}

test('a leader stops at what only a second leader of its term could have sent', () => {
  for (const message of ownTermMessages(3)) {
    const leader = replicaAs('leader');
    const isImpossible = handlings.leader[message.kind] === 'impossible';
    if (isImpossible) assert.throws(() => leader.receive('b', message), /of its own term/);
    else leader.receive('b', message);
  }
});

test('messages that a role ignores change nothing and are not answered', () => {
  let ignored = 0;
  for (const role of roles) {
    for (const message of ownTermMessages(replicaAs(role).status.term)) {
      if (handlings[role][message.kind] !== 'ignore') continue;
      ignored += 1;
      const replica = replicaAs(role);
      const before = replica.status;
      const effects = replica.receive('b', message);
      assert.deepEqual(effects, [], `${role} ${message.kind}`);
      assert.deepEqual(replica.status, before);
    }
  }
  assert.ok(ignored > 20);
});

/** One of each kind. */
function ownTermMessages(term: number): readonly Message[] {
  const snapshot = { index: 9, term, membership: noMembership };
  const position = { index: 9, term };
  const each: { readonly [Kind in MessageKind]: Message } = {
    'pre-vote-request': { kind: 'pre-vote-request', term: term + 1, last: nothing },
    'pre-vote-reply': { kind: 'pre-vote-reply', term, asked: term, isGranted: true, last: nothing },
    'vote-request': { kind: 'vote-request', term, last: nothing, isTransfer: false },
    'vote-reply': { kind: 'vote-reply', term, isGranted: true },
    append: { kind: 'append', term, previous: nothing, entries: [], commit: 0 },
    'append-accepted': { kind: 'append-accepted', term, match: 1, isJoining: false },
    'append-refused': { kind: 'append-refused', term, previousIndex: 1, hint: nothing, isJoining: false },
    heartbeat: { kind: 'heartbeat', term, commit: 0, round: 1 },
    'heartbeat-reply': { kind: 'heartbeat-reply', term, round: 1 },
    'timeout-now': { kind: 'timeout-now', term },
    'snapshot-offer': { kind: 'snapshot-offer', term, snapshot },
    pull: { kind: 'pull', previous: nothing },
    'pull-reply': { kind: 'pull-reply', previous: nothing, entries: [], commit: 0, last: position },
    'pull-snapshot': { kind: 'pull-snapshot', snapshot, last: position },
    'snapshot-pull': { kind: 'snapshot-pull', place: position, offset: 0 },
    'snapshot-chunk': {
      kind: 'snapshot-chunk',
      place: position,
      offset: 0,
      bytes: new Uint8Array(1),
      isLast: true,
    },
  };
  return Object.values(each);
}
