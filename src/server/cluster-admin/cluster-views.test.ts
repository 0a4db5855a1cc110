import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClusterState, foundCluster, type Move, type Partition } from '../../core/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { memberViews, moveCounts, moveViews, ringView, transfersView } from './cluster-views.ts';
import type { NodeReport } from './node-report.ts';

const [a, b] = [nodeIdOf('a@here'), nodeIdOf('b@there')];

function memberOf(node: typeof a, status: 'valid' | 'joining') {
  const address = { host: '::1', port: 8099 };
  return { node, instance: node, address, location: undefined, status, capabilities: new Map() };
}

function stateWith(moves: readonly Move[]): ClusterState {
  const founded = foundCluster({ clusterId: 'c', member: memberOf(a, 'valid'), ringSize: 8, targetN: 3 });
  const members = new Map([...founded.members, [b, memberOf(b, 'valid')]]);
  return { ...founded, epoch: 7, members, moves: new Map(moves.map((move) => [move.partition, move])) };
}

const moving = stateWith([
  { partition: 5 as Partition, from: a, to: b, stage: 'copying', since: 6 },
  { partition: 2 as Partition, from: undefined, to: b, stage: 'planned', since: 7 },
]);
const liveness = { reachability: () => 'dead' as const, hasStrays: (node: string) => node === b };

test('a member: what it owns, and what it will own when all moves are done', () => {
  const views = memberViews(moving, { self: a, liveness, reports: new Map() });
  assert.deepEqual(
    views.map((view) => [view.node, view.partitions, view.partitions_next]),
    [
      [a, 8, 6],
      [b, 0, 2],
    ],
  );
  assert.deepEqual(
    views.map((view) => [view.reachability, view.has_strays, view.location, view.address, view.epoch]),
    [
      ['alive', false, 'here', '[::1]:8099', null],
      ['dead', true, 'there', '[::1]:8099', null],
    ],
  );
});

test('moves, by partition and by stage; a rebuild comes from nobody', () => {
  assert.deepEqual(moveCounts(moving), { planned: 1, copying: 1, switched: 0, released: 0 });
  assert.deepEqual(moveViews(moving), [
    { partition: 2, from: null, to: b, stage: 'planned' },
    { partition: 5, from: a, to: b, stage: 'copying' },
  ]);
  const { partitions } = ringView(moving);
  assert.deepEqual(partitions[4], { partition: 4, owner: a, owned_since: 1 });
  assert.deepEqual(partitions[5]!.move, { from: a, to: b, stage: 'copying' });
});

test('transfers: of those who answered; who did not is named', () => {
  const report: NodeReport = {
    version: '1',
    generation: 1,
    epoch: 7,
    freeBytes: undefined,
    strayPartitions: 2,
    strayBytes: 99,
    transfers: [],
    transfersUnlisted: 4,
    partitionBytes: new Map(),
  };
  const view = transfersView(moving, new Map([[a, report]]));
  assert.deepEqual([view.unlisted, view.unanswered], [4, [b]]);
  assert.deepEqual(view.strays, [{ node: a, partitions: 2, bytes: 99 }]);
});
