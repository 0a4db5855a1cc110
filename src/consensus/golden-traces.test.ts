/**
 * Whole interactions, message by message. They are here to be read, and to show every change of what is
 * said on the wire. Heartbeats that carry nothing new are left out, except in the first trace.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Group } from './group.fixture.ts';
import { joiningState, peerIdOf } from './index.ts';
import { peersOf } from './lone-replica.fixture.ts';
import { lineOf } from './trace.fixture.ts';

class Trace {
  #lines: string[] = [];
  readonly group: Group;

  constructor(names: string, options: ConstructorParameters<typeof Group>[1]['options'] = {}) {
    this.group = new Group(names, {
      seed: 2,
      options,
      watch: (from, to, message, isLost) => this.#lines.push(lineOf(from, to, message, isLost)),
    });
  }

  /** What was said since the last call. */
  take(withHeartbeats = false): string {
    const lines = this.#lines.filter((line) => withHeartbeats || !line.includes('heartbeat'));
    this.#lines = [];
    return lines.join('\n');
  }
}

function assertTrace(actual: string, golden: string): void {
  const expected = golden
    .trim()
    .split('\n')
    .map((line) => line.trim());
  assert.deepEqual(actual.split('\n'), expected);
}

test('golden: an election and a first command', () => {
  const trace = new Trace('abc');
  trace.group.awaitLeader();
  trace.group.run(5);
  assertTrace(
    trace.take(true),
    `
    a->b pre-vote-request t2 last 1@1
    a->c pre-vote-request t2 last 1@1
    b->a pre-vote-reply t1 yes to t2
    c->a pre-vote-reply t1 yes to t2
    a->b vote-request t2 last 1@1
    a->c vote-request t2 last 1@1
    b->a vote-reply t2 yes
    c->a vote-reply t2 yes
    a->b heartbeat t2 round 1 commit 0
    a->c heartbeat t2 round 1 commit 0
    a->b append t2 after 1@1 [2 blank] commit 0
    a->c append t2 after 1@1 [2 blank] commit 0
    b->a heartbeat-reply t2 round 1
    c->a heartbeat-reply t2 round 1
    b->a append-accepted t2 up to 2
    c->a append-accepted t2 up to 2
    a->b append t2 after 2@2 [] commit 2
    a->c append t2 after 2@2 [] commit 2
    b->a append-accepted t2 up to 2
    c->a append-accepted t2 up to 2
  `,
  );
  trace.group.propose(trace.group.leader!, 'x');
  trace.group.run(5);
  assertTrace(
    trace.take(true),
    `
    a->b append t2 after 2@2 [2 x] commit 2
    a->c append t2 after 2@2 [2 x] commit 2
    b->a append-accepted t2 up to 3
    c->a append-accepted t2 up to 3
    a->b append t2 after 3@2 [] commit 3
    a->c append t2 after 3@2 [] commit 3
    b->a append-accepted t2 up to 3
    c->a append-accepted t2 up to 3
  `,
  );
});

test('golden: a constrained election', () => {
  const trace = new Trace('abcd');
  const { group } = trace;
  group.lead('c');
  group.run(500);
  group.leaveLinks(['bc', 'bd', 'cd']);
  group.commit('x');
  group.commit('y');
  group.host('c').crash();
  group.leaveLinks(['ab', 'ad']);
  trace.take();
  group.runUntil('a leads', () => group.leader?.id === 'a');
  assertTrace(
    trace.take(),
    `
    b->a pre-vote-request t4 last 5@3
    b-xc pre-vote-request t4 last 5@3
    b-xd pre-vote-request t4 last 5@3
    a->b pre-vote-reply t3 yes to t4
    d->a pre-vote-request t4 last 5@3
    d-xb pre-vote-request t4 last 5@3
    d-xc pre-vote-request t4 last 5@3
    a->d pre-vote-reply t3 yes to t4
    a->b pre-vote-request t4 last 3@3
    a-xc pre-vote-request t4 last 3@3
    a->d pre-vote-request t4 last 3@3
    b->a pre-vote-reply t3 no to t4
    d->a pre-vote-reply t3 no to t4
    a->b pull after 3@3
    b->a pull-reply after 3@3 [3 x, 3 y] commit 5
    a->b pre-vote-request t4 last 5@3
    a-xc pre-vote-request t4 last 5@3
    a->d pre-vote-request t4 last 5@3
    b->a pre-vote-reply t3 yes to t4
    d->a pre-vote-reply t3 yes to t4
    a->b vote-request t4 last 5@3
    a-xc vote-request t4 last 5@3
    a->d vote-request t4 last 5@3
    b->a vote-reply t4 yes
    d->a vote-reply t4 yes
    a->b append t4 after 5@3 [4 blank] commit 5
    a-xc append t4 after 5@3 [4 blank] commit 5
    a->d append t4 after 5@3 [4 blank] commit 5
  `,
  );
});

test('golden: a voter is replaced', () => {
  const trace = new Trace('abc');
  const { group } = trace;
  group.lead('a');
  group.run(500);
  const change = (voters: string, learners: string) => ({
    kind: 'change-membership' as const,
    token: 1,
    voters: peersOf(voters),
    learners: peersOf(learners),
  });
  group.add(peerIdOf('d'), joiningState());
  trace.take();
  group.leader!.step(change('abc', 'd'));
  group.run(300);
  assertTrace(
    trace.take(),
    `
    a->b append t2 after 2@2 [2 {a,b,c||d}] commit 2
    a->c append t2 after 2@2 [2 {a,b,c||d}] commit 2
    a->d append t2 after 3@2 [] commit 2
    b->a append-accepted t2 up to 3
    c->a append-accepted t2 up to 3
    d->a append-refused t2 3, perhaps 0@0
    a->b append t2 after 3@2 [] commit 3
    a->c append t2 after 3@2 [] commit 3
    a->d append t2 after 0@0 [1 {a,b,c||}, 2 blank, 2 {a,b,c||d}] commit 3
    b->a append-accepted t2 up to 3
    c->a append-accepted t2 up to 3
    d->a append-accepted t2 up to 3
  `,
  );
  group.leader!.step(change('abd', ''));
  group.run(300);
  assertTrace(
    trace.take(),
    `
    a->b append t2 after 3@2 [2 {a,b,d|a,b,c|}] commit 3
    a->c append t2 after 3@2 [2 {a,b,d|a,b,c|}] commit 3
    a->d append t2 after 3@2 [2 {a,b,d|a,b,c|}] commit 3
    b->a append-accepted t2 up to 4
    c->a append-accepted t2 up to 4
    d->a append-accepted t2 up to 4
    a->b append t2 after 4@2 [2 {a,b,d||}] commit 4
    a->d append t2 after 4@2 [2 {a,b,d||}] commit 4
    b->a append-accepted t2 up to 5
    d->a append-accepted t2 up to 5
    a->b append t2 after 5@2 [] commit 5
    a->d append t2 after 5@2 [] commit 5
    b->a append-accepted t2 up to 5
    d->a append-accepted t2 up to 5
  `,
  );
});

test('golden: a snapshot in pieces', () => {
  const trace = new Trace('abc', { snapshotLogEntries: 6, trailingEntriesMax: 1, snapshotChunkBytesMax: 16 });
  const { group } = trace;
  group.lead('a');
  group.host('c').crash();
  for (let i = 0; i < 8; i++) group.commit(`x${i}`);
  trace.take();
  group.host('c').boot();
  group.run(200);
  const withC = trace
    .take()
    .split('\n')
    .filter((line) => /^\w..\w/.test(line) && line.slice(0, 4).includes('c'));
  assertTrace(
    withC.join('\n'),
    `
    a->c snapshot-offer t2 6@2
    c->a snapshot-pull 6@2 from 0
    a->c snapshot-chunk 6@2 from 0, 16 bytes
    c->a snapshot-pull 6@2 from 16
    a->c snapshot-chunk 6@2 from 16, 5 bytes, last
    c->a append-accepted t2 up to 6
    a->c append t2 after 6@2 [2 x4, 2 x5, 2 x6, 2 x7] commit 10
    c->a append-accepted t2 up to 10
  `,
  );
});
