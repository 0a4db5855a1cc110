import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import type { LivenessView, Reachability } from '../liveness/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState } from './cluster-state.ts';
import { fold } from './fold.ts';
import { LiveTopology } from './live-topology.ts';
import { dealt, FoldedCluster, memberOf, nodes } from './topology.fixture.ts';

const [a, b, c, d] = nodes;
const p = (partition: number) => partition as Partition;

class SetLiveness implements LivenessView {
  readonly dead = new Set<NodeId>();
  readonly suspect = new Set<NodeId>();
  readonly strays = new Set<NodeId>();
  #changed: () => void = () => undefined;

  reachability(node: NodeId): Reachability {
    return this.dead.has(node) ? 'dead' : this.suspect.has(node) ? 'suspect' : 'alive';
  }
  hasStrays(node: NodeId): boolean {
    return this.strays.has(node);
  }
  onChange(changed: () => void): void {
    this.#changed = changed;
  }
  set(change: (view: SetLiveness) => void): void {
    change(this);
    this.#changed();
  }
}

/** A ring of `dealt(8, nodes)` as `self` sees it. */
function seenBy(self: NodeId, cluster = new FoldedCluster().grow(b, c, d)) {
  const liveness = new SetLiveness();
  const topology = new LiveTopology({ self, state: cluster.state, liveness });
  let changes = 0;
  topology.onChange(() => {
    changes += 1;
  });
  return { cluster, liveness, topology, changes: () => changes };
}

const shown = (topology: LiveTopology, first: number, n = 3) =>
  topology.preferenceList(p(first), n).map(({ node, primary }) => (primary ? node : `(${node})`));

test('who is called dead may answer while a connection to it stands', () => {
  const { cluster, liveness } = seenBy(a);
  const connected = new Set([b, c]);
  const isConnected = (node: NodeId): boolean => connected.has(node);
  const topology = new LiveTopology({ self: a, state: cluster.state, liveness, isConnected });
  liveness.set((view) => view.dead.add(b).add(d));
  assert.deepEqual(
    [a, b, c, d].map((node) => topology.isUp(node)),
    [true, false, true, false],
  );
  assert.deepEqual(
    [a, b, c, d].map((node) => topology.mayAnswer(node)),
    [true, true, true, false],
  );
});

test('a list is made once, and anew when ownership or reachability has changed', () => {
  const { cluster, topology, liveness, changes } = seenBy(a);
  const list = topology.preferenceList(p(0), 3);
  assert.deepEqual(shown(topology, 0), [a, b, c]);
  assert.equal(topology.preferenceList(p(0), 3), list);
  liveness.set((view) => view.suspect.add(b));
  liveness.set((view) => view.strays.add(c));
  topology.update(fold(topology.state, { kind: 'register', changes: [] }).state);
  assert.equal(topology.preferenceList(p(0), 3), list, 'neither a suspicion nor a fact changes routing');
  assert.equal(changes(), 0);
  assert.equal(topology.ring.epoch, topology.state.epoch);
  liveness.set((view) => view.dead.add(b));
  assert.deepEqual(shown(topology, 0), [a, `(${d})`, c]);
  liveness.set((view) => view.dead.delete(b));
  assert.deepEqual(shown(topology, 0), [a, b, c]);
  assert.equal(changes(), 2);
  cluster.state = topology.state;
  cluster.commit(dealt(8, [b, a, c, d]));
  topology.update(cluster.state);
  assert.equal(changes(), 3);
  assert.ok(topology.isMoving(p(0)));
  assert.ok(!topology.isMoving(p(2)));
  assert.ok(!topology.isOwnMove(p(0)), 'nothing has come of it yet');
  topology.update(cluster.advance('copying').state);
  assert.ok(topology.isOwnMove(p(0)) && !topology.isOwnMove(p(2)));
  const bystander = new LiveTopology({ self: c, state: cluster.state, liveness });
  assert.ok(bystander.isMoving(p(0)) && !bystander.isOwnMove(p(0)));
  topology.update(cluster.advance('switched').state);
  assert.ok(topology.isOwnMove(p(0)), 'there is something to drop');
  assert.deepEqual(shown(topology, 0), [b, a, c]);
});

test('up: this node always, else who is a member, not marked down and not dead', () => {
  const { cluster, topology, liveness } = seenBy(a);
  assert.ok([a, b, c, d].every((node) => topology.isUp(node)));
  assert.ok(!topology.isUp(nodeIdOf('stranger@h9')));
  liveness.set((view) => view.dead.add(a).add(b));
  assert.ok(topology.isUp(a));
  assert.ok(!topology.isUp(b));
  cluster.apply({ kind: 'mark', node: c, status: 'down' });
  cluster.apply({ kind: 'mark', node: a, status: 'down' });
  topology.update(cluster.state);
  assert.ok(topology.isUp(a));
  assert.ok(!topology.isUp(c));
});

test('C8: settled is when every member is alive and says that it has no strays', () => {
  const { cluster, topology, liveness } = seenBy(a);
  const unsettling: ((view: SetLiveness) => void)[] = [
    (view) => view.strays.add(c),
    (view) => view.strays.add(a),
    (view) => view.dead.add(d),
    (view) => view.suspect.add(d),
  ];
  assert.ok(topology.isSettled);
  for (const change of unsettling) {
    liveness.set(change);
    assert.ok(!topology.isSettled);
    liveness.set((view) => {
      for (const set of [view.strays, view.dead, view.suspect]) set.clear();
    });
    assert.ok(topology.isSettled);
  }
  topology.update(cluster.apply({ kind: 'mark', node: b, status: 'down' }).state);
  assert.ok(!topology.isSettled);
  topology.update(cluster.apply({ kind: 'mark', node: b, status: 'valid' }).state);
  assert.ok(topology.isSettled);
  liveness.set((view) => view.dead.add(nodes[4]));
  topology.update(cluster.apply({ kind: 'admit', member: memberOf(nodes[4]) }).state);
  assert.ok(!topology.isSettled, 'a joining member may hold what it took as a fallback');
});

test('C8: who owns everything alone has no strays', () => {
  const { cluster, topology, liveness } = seenBy(a, new FoldedCluster());
  liveness.set((view) => view.strays.add(a));
  assert.ok(topology.isSettled);
  topology.update(cluster.apply({ kind: 'admit', member: memberOf(b) }).state);
  assert.ok(!topology.isSettled);
});

test('the new owner of a rebuild is the first fallback of its partition, and primary after the switch', () => {
  const { cluster, topology } = seenBy(a);
  cluster.stage({ kind: 'remove', node: b }).commit([a, d, c, d, a, d, c, d]);
  topology.update(cluster.state);
  assert.deepEqual(shown(topology, 0), [a, `(${d})`, c]);
  assert.ok(!topology.isUp(b));
  topology.update(cluster.advance('copying').state);
  assert.deepEqual(shown(topology, 1, 2), [`(${d})`, c]);
  topology.update(cluster.advance('switched').state);
  assert.deepEqual(shown(topology, 0), [a, d, c]);
});

test('C4: who will drop a partition is no fallback for it, and refuses what it is sent for it', () => {
  const { cluster, topology, liveness } = seenBy(a);
  const drops = new LiveTopology({ self: b, state: cluster.state, liveness: new SetLiveness() });
  cluster.commit([a, d, c, d, a, b, c, d]).advance('copying').advance('switched');
  for (const each of [topology, drops]) each.update(cluster.state);
  liveness.set((view) => view.dead.add(d));
  // Of partition 1, b has data that it will drop; it may stand in for 3.
  assert.deepEqual(shown(topology, 0), [a, `(${a})`, c]);
  assert.deepEqual(shown(topology, 2), [c, `(${b})`, a]);
  assert.equal(drops.admits(p(1), cluster.state.epoch, false), 'moved');
  assert.equal(drops.admits(p(1), cluster.state.epoch + 9, true), 'moved');
  assert.equal(drops.admits(p(3), cluster.state.epoch, false), 'serve');
  cluster.advance('released').advance('done');
  for (const each of [topology, drops]) each.update(cluster.state);
  assert.deepEqual(shown(topology, 0), [a, `(${b})`, c]);
  assert.equal(drops.admits(p(1), cluster.state.epoch, false), 'serve');
});

test('with nobody else up, a list goes without the partition that its only candidate will drop', () => {
  const { cluster, topology, liveness } = seenBy(b, new FoldedCluster().grow(b));
  cluster.commit([a, a, a, b, a, b, a, b]).advance('copying').advance('switched');
  topology.update(cluster.state);
  liveness.set((view) => view.dead.add(a));
  assert.deepEqual(topology.preferenceList(p(1), 3), [
    { partition: 2, node: b, primary: false },
    { partition: 3, node: b, primary: true },
  ]);
});

test('the fence: an older epoch that names a former owner is told so, a newer one is believed', () => {
  const { cluster, topology } = seenBy(a);
  const { epoch } = cluster.state;
  assert.equal(topology.admits(p(0), epoch, true), 'serve');
  assert.equal(topology.admits(p(0), epoch - 3, true), 'serve', 'an owner is an owner, whoever asks');
  assert.equal(topology.admits(p(1), epoch, true), 'moved');
  assert.equal(topology.admits(p(1), epoch - 3, true), 'moved');
  assert.equal(
    topology.admits(p(1), epoch + 1, true),
    'serve',
    'the sender knows of a switch that we do not',
  );
  assert.equal(topology.admits(p(1), epoch, false), 'serve', 'anybody may be a fallback');
  const beyond = p(topology.ring.size);
  assert.equal(topology.admits(beyond, epoch + 1, true), 'malformed', 'but nobody of what there is not');
  assert.equal(topology.admits(beyond, epoch, false), 'malformed');
});

test('what was agreed is not taken back; another cluster may be joined', () => {
  const { cluster, topology } = seenBy(a);
  const older = { ...cluster.state, epoch: cluster.state.epoch - 1 };
  assert.throws(() => topology.update(older), /taken back/);
  topology.update({ ...older, generation: 2 });
  const other: ClusterState = { ...new FoldedCluster().grow(b).state, clusterId: 'other' };
  topology.update(other);
  assert.equal(topology.state, other);
  assert.ok(!topology.isUp(d));
});

test('alone: one member owns and serves everything', () => {
  const topology = LiveTopology.alone(a, 16);
  assert.deepEqual(new Set(shown(topology, 3)), new Set([a]));
  assert.equal(topology.preferenceList(p(15), 3).length, 3);
  assert.ok(topology.isSettled && topology.isUp(a) && !topology.isUp(b) && !topology.isMoving(p(0)));
});
