import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Partition } from '../ring/index.ts';
import type { ClusterCommand, MemberStatus, MoveStage, StagedChange } from './cluster-state.ts';
import { type StatusCause, statusTransitions } from './member-status.ts';
import { stageGoals, stageTransitions } from './move-stage.ts';
import { recovered } from './recovery.ts';
import { dealt, FoldedCluster, memberOf, nodes } from './topology.fixture.ts';

const [a, b, c, d] = nodes;

/** A cluster in which `b` has the status. */
const withStatus: { readonly [Status in MemberStatus]: () => FoldedCluster } = {
  joining: () => new FoldedCluster().apply({ kind: 'admit', member: memberOf(b) }),
  valid: () => new FoldedCluster().grow(b),
  leaving: () =>
    new FoldedCluster()
      .grow(b)
      .stage({ kind: 'leave', node: b })
      .commit(dealt(8, [a])),
  exiting: () => withStatus.leaving().finishMoves(),
  down: () => withStatus.valid().apply({ kind: 'mark', node: b, status: 'down' }),
};

/** What makes the cause happen to `b`, whatever its status; true: it was refused. */
const causes: { readonly [Cause in StatusCause]: (cluster: FoldedCluster) => boolean } = {
  'join-committed': (cluster) => planned(cluster, { kind: 'join', node: b }),
  'leave-committed': (cluster) => planned(cluster, { kind: 'leave', node: b }),
  removed: (cluster) => planned(cluster, { kind: 'remove', node: b }),
  emptied: (cluster) => {
    if (cluster.statusOf(b) !== 'leaving') return true;
    cluster.finishMoves();
    return false;
  },
  cancelled: (cluster) => {
    if (cluster.state.moves.size === 0) return true;
    cluster.apply({ kind: 'cancel' });
    return false;
  },
  'marked-down': (cluster) => isRefused(cluster, { kind: 'mark', node: b, status: 'down' }),
  'marked-valid': (cluster) => isRefused(cluster, { kind: 'mark', node: b, status: 'valid' }),
  lost: (cluster) => {
    cluster.state = recovered(cluster.state, new Set([a]));
    return false;
  },
  expelled: (cluster) => isRefused(cluster, { kind: 'expel', node: b }),
};

function isRefused(cluster: FoldedCluster, command: ClusterCommand): boolean {
  const before = cluster.statusOf(b);
  try {
    cluster.apply(command);
    return false;
  } catch {
    cluster.refuse('wrong_status', command);
    assert.equal(cluster.statusOf(b), before);
    return true;
  }
}

function planned(cluster: FoldedCluster, change: StagedChange): boolean {
  if (isRefused(cluster, { kind: 'stage', change })) return true;
  cluster.commit(dealt(8, [a]), true);
  return false;
}

test('every status meets every cause as the table says', () => {
  for (const status of Object.keys(statusTransitions) as MemberStatus[]) {
    for (const cause of Object.keys(causes) as StatusCause[]) {
      const expected = statusTransitions[status][cause];
      const cluster = withStatus[status]();
      assert.equal(cluster.statusOf(b), status);
      assert.equal(causes[cause](cluster), expected === 'refused', `${status}, ${cause}`);
      if (expected !== 'refused')
        assert.equal(cluster.statusOf(b) ?? 'gone', expected, `${status}, ${cause}`);
    }
  }
});

test('every stage meets every goal as the table says', () => {
  const way: readonly MoveStage[] = ['planned', 'copying', 'switched', 'released'];
  for (const stage of way) {
    for (const goal of stageGoals) {
      const cluster = new FoldedCluster().grow(b).commit(dealt(8, [b, a]));
      for (const passed of way.slice(1, way.indexOf(stage) + 1)) {
        cluster.advance(passed as 'copying' | 'switched' | 'released');
      }
      const advance = cluster.advanceOf(goal, 0);
      if (stageTransitions[stage][goal]) {
        const after = cluster.apply(advance).state.moves.get(0 as Partition);
        assert.equal(after?.stage ?? 'done', goal);
        if (after !== undefined) assert.equal(after.since, cluster.state.epoch);
      } else cluster.refuse('wrong_stage', advance);
    }
  }
});

test('a recovered state is of the next generation, and later than all that the lost may have agreed on', () => {
  const cluster = new FoldedCluster().grow(b, c).apply({ kind: 'admit', member: memberOf(d) });
  cluster
    .stage({ kind: 'join', node: d })
    .commit(dealt(8, [d, a, b, c]))
    .advance('copying', 0);
  const { state } = cluster.stage({ kind: 'leave', node: c });
  const next = recovered(state, new Set([a, d]));
  assert.equal(next.generation, 2);
  assert.ok(next.epoch > state.epoch + 1_000_000);
  assert.equal(next.planBasis, next.epoch);
  assert.deepEqual(next.staged, []);
  assert.deepEqual(next.owners, state.owners);
  assert.deepEqual(next.moves, state.moves);
  assert.deepEqual(
    [...next.members.values()].map(({ node, status }) => [node, status]),
    [
      [a, 'valid'],
      [b, 'down'],
      [c, 'down'],
      [d, 'valid'],
    ],
  );
  assert.throws(() => recovered(state, new Set([nodes[5]])), /survives/);
  const after = new FoldedCluster();
  after.state = next;
  after.apply({ kind: 'mark', node: b, status: 'valid' }).advance('switched', 0);
});
