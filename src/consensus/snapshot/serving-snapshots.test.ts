/** A leader that has followers to whom it owes a snapshot goes on taking snapshots of its own log. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Group } from '../group.fixture.ts';
import type { ReplicaOptions } from '../index.ts';
import { LoneReplica, ofKind, persistedWith } from '../lone-replica.fixture.ts';

const options = { snapshotLogEntries: 20, trailingEntriesMax: 5 };

test('a dead follower keeps the log of the others from growing no more than one that was never there', () => {
  const group = new Group('abc', { seed: 12, options });
  const { replica } = group.lead('a');
  group.host('c').crash();
  for (let i = 0; i < 200; i++) {
    group.commit(`x${i}`);
    group.run(100);
    const { lastIndex, snapshotIndex } = replica.status();
    assert.ok(lastIndex - snapshotIndex <= 30, `${lastIndex - snapshotIndex} entries behind the snapshot`);
  }
});

test('a follower that pulls slowly ends, though the log grows by several snapshots meanwhile', () => {
  const offsets: number[] = [];
  const group = new Group('abc', {
    seed: 13,
    options: { ...options, snapshotChunkBytesMax: 8 },
    conditions: { loss: 0.05, duplication: 0, delayMs: [5, 40], writeMs: [1, 30] },
    watch: (_from, _to, message) => {
      if (message.kind === 'snapshot-pull') offsets.push(message.offset);
    },
  });
  group.lead('a');
  group.host('c').crash();
  for (let i = 0; i < 60; i++) group.commit(`x${i}`);
  group.host('c').boot();
  const before = group.host('a').replica.status().lastIndex;
  let proposed = 0;
  group.runUntil('c has what was there', () => {
    group.propose(group.host('a'), `y${proposed++}`);
    return group.host('c').commands.length >= 60;
  });
  const grown = group.host('a').replica.status().lastIndex - before;
  assert.ok(grown > 5 * options.snapshotLogEntries, `${grown} entries meanwhile`);
  assert.equal(group.invariants.installs, 1);
  assert.ok(Math.max(...offsets) > 100, 'in many pieces');
});

test('a follower that pulls without end does not fill the log', () => {
  const limits: Partial<ReplicaOptions> = { ...options, snapshotLogBytes: 2000, logBytesMax: 6000 };
  const leader = new LoneReplica(persistedWith([]), limits).win();
  let snapshots = 0;
  for (let round = 1; round <= 500; round++) {
    leader.wait(50);
    const { lastIndex, snapshotIndex, term } = leader.status;
    const effects = leader.propose('x'.repeat(100));
    assert.deepEqual(ofKind(effects, 'refused'), []);
    leader.accept('b', lastIndex + 1);
    leader.receive('b', { kind: 'heartbeat-reply', term, round });
    leader.receive('c', { kind: 'snapshot-pull', place: { index: snapshotIndex, term }, offset: 0 });
    for (const { index } of ofKind(leader.effects.splice(0), 'snapshot-wanted')) {
      snapshots += 1;
      leader.step({ kind: 'snapshot-taken', index });
    }
  }
  assert.ok(snapshots > 5, `${snapshots} snapshots`);
  assert.ok(snapshots < 500 / options.snapshotLogEntries, `${snapshots} snapshots: they wait for who pulls`);
});

test('while a snapshot is being written a heavy log asks for no other', () => {
  const leader = new LoneReplica(persistedWith([]), { ...options, snapshotLogBytes: 500 }).win();
  const wanted = () => ofKind(leader.effects, 'snapshot-wanted').map(({ index }) => index);
  for (let index = 3; index < 15; index++) {
    leader.propose('x'.repeat(100));
    leader.accept('b', index);
  }
  const [first, ...others] = wanted();
  assert.deepEqual(others, []);
  leader.step({ kind: 'snapshot-taken', index: first! });
  leader.propose('x');
  leader.accept('b', 15);
  assert.equal(wanted().length, 2, 'it is heavy still');
});
