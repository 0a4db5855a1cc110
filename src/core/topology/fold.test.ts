import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteLiteral } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState, CommandRefusal } from './cluster-state.ts';
import { fold } from './fold.ts';
import { isSwitched } from './move-stage.ts';
import { command, dealt, FoldedCluster, foldHistory, memberOf, nodes, step } from './topology.fixture.ts';
import { registryEntriesMax, registryValueBytesMax } from './topology-limits.ts';

const [a, b, c, d] = nodes;

test('a founder is valid and owns everything', () => {
  const { state } = new FoldedCluster(16);
  assert.deepEqual(new Set(state.owners), new Set([a]));
  assert.equal(state.members.get(a)?.status, 'valid');
  assert.equal(state.epoch, 1);
});

test('laws of every history: one epoch a command, ownership only by moves, nothing of a refused command', () => {
  const grown = frozen(new FoldedCluster().grow(b, c, d).state);
  const seen = { applied: 0, switched: 0, rebuilt: 0, expelled: 0, removed: 0 };
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }), (steps) => {
      foldHistory(grown, steps, (before, asked, { state, refusal }) => {
        assert.equal(state.epoch, before.epoch + 1);
        if (refusal !== undefined) {
          assert.deepEqual(state, { ...before, epoch: state.epoch });
          return;
        }
        seen.applied += 1;
        checkOwnership(before, state, asked.kind);
        checkMembers(before, state);
        const isQuiet = asked.kind === 'announce' || asked.kind === 'register';
        if (isQuiet) assert.equal(state.planBasis, before.planBasis);
        if (state.moves !== before.moves || state.staged !== before.staged) {
          assert.equal(state.planBasis, state.epoch, 'plans made before are outdated');
        }
        for (const [partition, move] of before.moves) {
          if (state.owners[partition] === before.owners[partition]) continue;
          seen.switched += 1;
          if (move.from === undefined) seen.rebuilt += 1;
        }
        if (asked.kind === 'expel') seen.expelled += 1;
        seen.removed += state.removed.length - before.removed.length;
      });
    }),
    { numRuns: 400, includeErrorInReport: true },
  );
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 20, `${what}: ${count}`);
});

/** A fold that wrote into what it was given would throw. */
function frozen(state: ClusterState): ClusterState {
  for (const part of [state, state.owners, state.ownedSince, state.staged, state.removed])
    Object.freeze(part);
  return state;
}

/** C2: an owner changes only from `copying` to `switched`, and to whom the move named. */
function checkOwnership(before: ClusterState, after: ClusterState, kind: string): void {
  for (const [index, owner] of after.owners.entries()) {
    const partition = index as Partition;
    if (owner === before.owners[index]) {
      assert.equal(after.ownedSince[index], before.ownedSince[index]);
      continue;
    }
    assert.equal(kind, 'advance');
    assert.equal(before.moves.get(partition)?.stage, 'copying');
    assert.equal(after.moves.get(partition)?.stage, 'switched');
    assert.equal(before.moves.get(partition)?.to, owner);
    assert.equal(after.ownedSince[index], after.epoch);
  }
  for (const [partition, move] of before.moves) {
    const next = after.moves.get(partition);
    if (!isSwitched(move.stage) || next?.to === move.to || move.stage === 'released') continue;
    const isGone = !after.members.has(move.to) || (move.from !== undefined && !after.members.has(move.from));
    assert.ok(isGone, 'a switched move ends only by being released, or with one of its nodes');
  }
}

function checkMembers(before: ClusterState, after: ClusterState): void {
  for (const [node, member] of before.members) {
    const next = after.members.get(node);
    if (next !== undefined) {
      assert.equal(next.instance, member.instance);
      if (member.status === 'exiting') assert.equal(next.status, 'exiting');
      continue;
    }
    // Who goes without having handed over everything never comes back with what it holds.
    const left = member.status === 'exiting' || member.status === 'joining';
    assert.ok(left || after.removed.includes(member.instance));
    if (left) assert.ok(!after.owners.includes(node));
    for (const move of after.moves.values()) assert.ok(move.from !== node && move.to !== node);
  }
}

test('no command that decodes throws, whatever it says', () => {
  const huge = [Number.MAX_SAFE_INTEGER, 8, 7, 1023] as Partition[];
  const cluster = new FoldedCluster().grow(b, c);
  cluster.refuse('wrong_stage', { kind: 'advance', partitions: huge, to: 'copying', asOf: 99 });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
      let { state } = cluster;
      for (const each of commands) ({ state } = fold(state, each));
    }),
    { numRuns: 500 },
  );
});

test('the order in which a node came to know members and moves does not matter', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 50, size: 'max' }), (steps) => {
      let { state } = new FoldedCluster();
      let other = state;
      for (const make of steps) {
        const asked = make(state);
        const one = fold(state, asked);
        const two = fold(reversed(other), asked);
        assert.deepEqual(two.refusal, one.refusal);
        ({ state } = one);
        other = two.state;
        assert.deepEqual(reversed(other), reversed(state));
      }
    }),
    { numRuns: 100, includeErrorInReport: true },
  );
});

function reversed(state: ClusterState): ClusterState {
  return {
    ...state,
    members: new Map([...state.members].reverse()),
    moves: new Map([...state.moves].reverse()),
    registry: new Map([...state.registry].reverse()),
  };
}

test('a join moves nothing before it is committed, and owns what it got after the switch', () => {
  const cluster = new FoldedCluster().apply({ kind: 'admit', member: memberOf(b) });
  cluster.stage({ kind: 'join', node: b });
  assert.equal(cluster.statusOf(b), 'joining');
  assert.equal(cluster.state.moves.size, 0);
  cluster.commit(dealt(8, [a, b]));
  assert.equal(cluster.statusOf(b), 'valid');
  assert.equal(cluster.state.moves.size, 4);
  assert.equal(cluster.state.owners.indexOf(b), -1);
  cluster.advance('copying').advance('switched', 1);
  assert.equal(cluster.state.owners.indexOf(b), 1);
  assert.equal(cluster.state.ownedSince[1], cluster.state.epoch);
});

test('who leaves is exiting when its last partition has been dropped, and only then expelled', () => {
  const cluster = new FoldedCluster()
    .grow(b)
    .stage({ kind: 'leave', node: b })
    .commit(dealt(8, [a]));
  assert.equal(cluster.statusOf(b), 'leaving');
  cluster.advance('copying').advance('switched').advance('released');
  cluster.advance('done', 1, 3, 5).refuse('wrong_status', { kind: 'expel', node: b });
  assert.equal(cluster.statusOf(b), 'leaving');
  cluster.advance('done', 7);
  assert.equal(cluster.statusOf(b), 'exiting');
  cluster.apply({ kind: 'expel', node: b });
  assert.equal(cluster.statusOf(b), undefined);
  cluster.apply({ kind: 'admit', member: memberOf(b) });
});

test('two plans from one state: exactly one takes effect, however late the other comes', () => {
  const cluster = new FoldedCluster().grow(b, c);
  cluster.stage({ kind: 'leave', node: c });
  const first = cluster.commitOf(dealt(8, [a, b]));
  const second = cluster.commitOf(dealt(8, [b, a]));
  cluster.apply(first).refuse('plan_outdated', second);
  cluster.finishMoves().refuse('plan_outdated', second);
  // Neither do what one says of itself, or a registered fact, outdate a plan, nor does a refused command.
  cluster.stage({ kind: 'leave', node: b });
  const third = cluster.commitOf(dealt(8, [a]));
  cluster.apply({ kind: 'announce', member: memberOf(a) });
  cluster.apply({ kind: 'register', changes: [{ name: byteLiteral('x'), value: Buffer.from('1') }] });
  cluster.refuse('unknown_member', { kind: 'expel', node: d });
  cluster.apply(third);
});

test('a plan of the future, or of another generation, is none', () => {
  const cluster = new FoldedCluster().grow(b).stage({ kind: 'leave', node: b });
  const owners = dealt(8, [a]);
  const { generation, epoch } = cluster.state;
  for (const planOf of [
    { generation, epoch: epoch + 50 },
    { generation: generation + 1, epoch: epoch + 2 },
  ]) {
    cluster.refuse('plan_outdated', { kind: 'commit', planOf, owners, isForced: true });
  }
});

test('a ring of another size, or with owners who cannot own, is refused', () => {
  const cluster = new FoldedCluster().grow(b).apply({ kind: 'admit', member: memberOf(c) });
  cluster.stage({ kind: 'leave', node: b });
  for (const owners of [dealt(16, [a]), dealt(8, [a, b]), dealt(8, [a, c]), dealt(8, [a, d])]) {
    cluster.refuse('bad_ring', cluster.commitOf(owners));
  }
  cluster.apply({ kind: 'clear' }).refuse('nothing_planned', cluster.commitOf(cluster.state.owners));
});

test('a member marked down keeps what it has and gets nothing', () => {
  const cluster = new FoldedCluster().grow(b, c).apply({ kind: 'mark', node: b, status: 'down' });
  const { owners } = cluster.state;
  cluster.refuse('bad_ring', cluster.commitOf(owners.map((owner) => (owner === a ? b : owner))));
  cluster.commit(owners.map((owner) => (owner === a ? c : owner)));
  assert.deepEqual(new Set([...cluster.state.moves.values()].map(({ from }) => from)), new Set([a]));
});

test('what a removed node owned is rebuilt, and stays its own until the switch', () => {
  const cluster = new FoldedCluster().grow(b, c).stage({ kind: 'remove', node: b });
  const owned = cluster.state.owners.flatMap((owner, at) => (owner === b ? [at] : []));
  cluster.commit(cluster.state.owners.map((owner) => (owner === b ? c : owner)));
  assert.equal(cluster.statusOf(b), undefined);
  assert.deepEqual(
    [...cluster.state.moves.values()].map(({ partition, from, to }) => [partition, from, to]),
    owned.map((partition) => [partition, undefined, c]),
  );
  assert.ok(cluster.state.owners.includes(b));
  cluster.refuse('removed', { kind: 'admit', member: memberOf(b) });
  const successor = memberOf(b, { instance: 'another' });
  cluster.refuse('name_taken', { kind: 'admit', member: successor });
  // Nothing may be left behind without an owner: neither by cancelling, nor by another plan.
  cluster.apply({ kind: 'cancel' });
  assert.equal(cluster.state.moves.size, owned.length);
  cluster.finishMoves();
  assert.ok(!cluster.state.owners.includes(b));
  cluster.apply({ kind: 'admit', member: successor });
});

test('who is removed before it joined owned nothing, and may come again', () => {
  const cluster = new FoldedCluster().apply({ kind: 'admit', member: memberOf(b) });
  cluster.stage({ kind: 'remove', node: b }).commit(dealt(8, [a]));
  assert.equal(cluster.statusOf(b), undefined);
  cluster.apply({ kind: 'admit', member: memberOf(b) });
});

test('a forced plan gives up what has not switched, keeps what goes the same way, and waits for what has', () => {
  const cluster = new FoldedCluster().grow(b).apply({ kind: 'admit', member: memberOf(c) });
  cluster.commit(dealt(8, [a]));
  cluster.advance('copying', 1, 3).advance('switched', 1).stage({ kind: 'join', node: c });
  const copying = cluster.state.moves.get(3 as Partition);
  const target = [a, a, a, a, a, c, a, c];
  cluster.refuse('moves_pending', cluster.commitOf(target));
  cluster.refuse('moves_pending', cluster.commitOf([a, c, a, a, a, a, a, a], true));
  cluster.commit(target, true);
  assert.deepEqual(
    [...cluster.state.moves.values()].map(({ partition, from, to, stage }) => [partition, from, to, stage]),
    [
      [1, b, a, 'switched'],
      [3, b, a, 'copying'],
      [5, b, c, 'planned'],
      [7, b, c, 'planned'],
    ],
  );
  assert.equal(cluster.state.moves.get(3 as Partition), copying);
});

test('a receiver that is removed in the middle: what had switched to it is rebuilt, what had not stays', () => {
  const cluster = new FoldedCluster().grow(b).apply({ kind: 'admit', member: memberOf(c) });
  cluster.stage({ kind: 'join', node: c }).commit([a, c, a, c, a, c, a, b]);
  cluster.advance('copying', 1, 3).advance('switched', 1).stage({ kind: 'remove', node: c });
  cluster.commit([a, b, a, b, a, b, a, b], true);
  const moves = [...cluster.state.moves.values()];
  assert.deepEqual(moves, [
    { partition: 1, from: undefined, to: b, stage: 'planned', since: cluster.state.epoch },
  ]);
});

test('a late command of a stage does not meet a younger move or a copying that has begun anew', () => {
  const cluster = new FoldedCluster()
    .grow(b)
    .commit(dealt(8, [a]))
    .advance('copying', 1, 3);
  const late = cluster.advanceOf('switched', 1, 3);
  cluster.advance('copying', 1);
  cluster.apply(late);
  assert.equal(cluster.state.moves.get(1 as Partition)?.stage, 'copying');
  assert.equal(cluster.state.moves.get(3 as Partition)?.stage, 'switched');
  cluster.refuse('wrong_stage', late);
});

test('cancel drops what has not begun; who was leaving and keeps something is valid again', () => {
  const cluster = new FoldedCluster()
    .grow(b)
    .stage({ kind: 'leave', node: b })
    .commit(dealt(8, [a]));
  cluster.advance('copying', 1).apply({ kind: 'cancel' });
  assert.deepEqual([...cluster.state.moves.keys()], [1]);
  assert.equal(cluster.statusOf(b), 'valid');
  cluster.advance('switched').advance('released').advance('done');
  assert.equal(cluster.statusOf(b), 'valid');
});

test('a name belongs to one instance, and an instance to one name', () => {
  const cluster = new FoldedCluster().grow(b);
  cluster.refuse('name_taken', { kind: 'admit', member: memberOf(b, { instance: 'other' }) });
  cluster.refuse('name_taken', { kind: 'announce', member: memberOf(b, { instance: 'other' }) });
  cluster.refuse('conflict', { kind: 'admit', member: memberOf(c, { instance: memberOf(b).instance }) });
  cluster.refuse('unknown_member', { kind: 'announce', member: memberOf(c) });
  cluster.refuse('too_large', { kind: 'admit', member: memberOf(c, { location: 'x'.repeat(256) }) });
  // Admitting again, after a crash in the middle, is an announcement: the status stays.
  const address = { host: '127.0.0.2', port: 1 };
  cluster.apply({ kind: 'admit', member: memberOf(b, { address, location: 'elsewhere' }) });
  assert.deepEqual(cluster.state.members.get(b), memberOf(b, { address, status: 'valid' }));
});

test('staged changes are checked among themselves', () => {
  const refusals: [CommandRefusal['code'], Parameters<FoldedCluster['stage']>[0]][] = [
    ['unknown_member', { kind: 'join', node: d }],
    ['wrong_status', { kind: 'join', node: b }],
    ['wrong_status', { kind: 'leave', node: c }],
    ['wrong_status', { kind: 'replace', node: a, by: b }],
    ['unknown_member', { kind: 'replace', node: a, by: d }],
    ['unknown_member', { kind: 'location', node: d, location: 'r' }],
    ['too_large', { kind: 'location', node: a, location: 'r'.repeat(300) }],
  ];
  const cluster = new FoldedCluster().grow(b).apply({ kind: 'admit', member: memberOf(c) });
  for (const [code, change] of refusals) cluster.refuse(code, { kind: 'stage', change });
  cluster.stage({ kind: 'leave', node: b });
  cluster.refuse('conflict', { kind: 'stage', change: { kind: 'remove', node: b } });
  cluster.refuse('last_member', { kind: 'stage', change: { kind: 'leave', node: a } });
  cluster.stage({ kind: 'join', node: c }).stage({ kind: 'replace', node: a, by: c });
  assert.deepEqual(cluster.state.staged, [
    { kind: 'leave', node: b },
    { kind: 'replace', node: a, by: c },
  ]);
  cluster.refuse('conflict', { kind: 'stage', change: { kind: 'join', node: c } });
  // What has become impossible since is refused at the commit.
  cluster.apply({ kind: 'mark', node: b, status: 'down' });
  cluster.refuse('wrong_status', cluster.commitOf(dealt(8, [c])));
});

test('replace hands all to the newcomer and lets the old one leave; by force it is gone at once', () => {
  for (const kind of ['replace', 'force-replace'] as const) {
    const cluster = new FoldedCluster().grow(b).apply({ kind: 'admit', member: memberOf(c) });
    cluster.stage({ kind, node: b, by: c }).commit(dealt(8, [a, c]));
    assert.equal(cluster.statusOf(c), 'valid');
    assert.equal(cluster.statusOf(b), kind === 'replace' ? 'leaving' : undefined);
    cluster.finishMoves();
    assert.equal(cluster.statusOf(b), kind === 'replace' ? 'exiting' : undefined);
    assert.deepEqual(cluster.state.owners, dealt(8, [a, c]));
  }
});

test('facts change all or none, by compare-and-set', () => {
  const [x, y] = ['x', 'y'].map(byteLiteral);
  const value = Buffer.from('v');
  const cluster = new FoldedCluster();
  cluster.apply({ kind: 'register', changes: [{ name: x, value, expected: 0 }] });
  const { revision } = cluster.state.registry.get(x)!;
  assert.equal(revision, cluster.state.epoch);
  cluster.refuse('conflict', {
    kind: 'register',
    changes: [
      { name: y, value, expected: 0 },
      { name: x, value: undefined, expected: 0 },
    ],
  });
  assert.equal(cluster.state.registry.has(y), false);
  cluster.apply({ kind: 'register', changes: [{ name: x, value: undefined, expected: revision }] });
  assert.equal(cluster.state.registry.size, 0);
});

test('the registry is bounded, and what shrinks it is never refused', () => {
  const cluster = new FoldedCluster();
  const big = Buffer.alloc(registryValueBytesMax);
  cluster.refuse('too_large', {
    kind: 'register',
    changes: [{ name: byteLiteral('x'), value: Buffer.alloc(registryValueBytesMax + 1) }],
  });
  const names = Array.from({ length: 129 }, (_, index) => byteLiteral(`${index}`));
  const bigs = names.map((name) => ({ name, value: big }));
  cluster.refuse('too_large', { kind: 'register', changes: bigs });
  cluster.apply({ kind: 'register', changes: bigs.slice(0, 127) });
  const entry = { value: Buffer.alloc(0), revision: 1 };
  const registry = new Map(
    Array.from({ length: registryEntriesMax + 2 }, (_, index) => [byteLiteral(`${index}`), entry]),
  );
  cluster.state = { ...cluster.state, registry };
  cluster.refuse('too_large', {
    kind: 'register',
    changes: [{ name: byteLiteral('new'), value: Buffer.alloc(0) }],
  });
  cluster.apply({ kind: 'register', changes: [{ name: byteLiteral('0'), value: undefined }] });
  const heavy = names.map((name) => [name, { value: big, revision: 1 }] as const);
  cluster.state = { ...cluster.state, registry: new Map(heavy) };
  cluster.refuse('too_large', { kind: 'register', changes: [{ name: byteLiteral('new'), value: big }] });
  cluster.apply({ kind: 'register', changes: [{ name: names[0], value: Buffer.alloc(0) }] });
});
