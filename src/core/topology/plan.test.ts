import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { NodeId } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import { fold } from './fold.ts';
import { commitPlanned, type Plan, type PlanInputs, planChanges } from './plan.ts';
import { FoldedCluster, foldHistory, memberOf, nodes, step } from './topology.fixture.ts';

const [, b, c, d, e, f] = nodes;
const inputs: PlanInputs = {
  bytesOf: new Map(Array.from({ length: 64 }, (_, partition) => [partition as Partition, 1000])),
  bytesPerSecond: 500,
  replicas: 3,
};

function planOf(cluster: FoldedCluster, changes: Partial<PlanInputs> = {}): Plan {
  const outcome = planChanges(cluster.state, { ...inputs, ...changes });
  assert.equal(outcome.kind, 'planned', JSON.stringify(outcome));
  return (outcome as Extract<typeof outcome, { kind: 'planned' }>).plan;
}

function joining(cluster: FoldedCluster, ...joined: NodeId[]): FoldedCluster {
  return joiningAt(() => undefined, cluster, ...joined);
}

const apart = (node: NodeId) => node;

function joiningAt(
  locationOf: (node: NodeId) => string | undefined,
  cluster: FoldedCluster,
  ...joined: NodeId[]
): FoldedCluster {
  for (const node of joined) {
    const location = locationOf(node);
    cluster.apply({ kind: 'admit', member: memberOf(node, { location }) }).stage({ kind: 'join', node });
  }
  return cluster;
}

test('a plan says what its commit then does', () => {
  const cluster = joining(new FoldedCluster(64), b, c, d, e);
  const plan = planOf(cluster);
  assert.equal(plan.refusal, null);
  assert.deepEqual(plan.moves.length, plan.movesMin);
  assert.equal(plan.bytes, 1000 * plan.moves.length);
  // One node sends all, and it takes as long as that.
  assert.equal(plan.seconds, plan.bytes / 500);
  cluster.apply(commitPlanned(plan, false));
  assert.deepEqual(
    [...cluster.state.moves.values()].map(({ partition, from, to }) => [partition, from, to]),
    plan.moves.map(({ partition, from, to }) => [partition, from, to]),
  );
  cluster.finishMoves();
  assert.deepEqual(cluster.state.owners, plan.owners);
  for (const { node, after, partitionsAfter } of plan.nodes) {
    assert.equal(cluster.statusOf(node), after);
    assert.equal(cluster.state.owners.filter((owner) => owner === node).length, partitionsAfter);
    assert.ok(partitionsAfter === 12 || partitionsAfter === 13);
  }
});

test('a join of several nodes moves what one plan needs, not the sum of single joins', () => {
  const grown = () => carriedOut(joiningAt(apart, new FoldedCluster(64), b, c, d)).cluster;
  const together = carriedOut(joiningAt(apart, grown(), e, f));
  const first = carriedOut(joiningAt(apart, grown(), e));
  const second = carriedOut(joiningAt(apart, first.cluster, f));
  assert.ok(together.moves < first.moves + second.moves);
  assert.ok(together.moves <= 1.25 * together.plan.movesMin, `${together.moves} moves`);
});

function carriedOut(cluster: FoldedCluster) {
  const plan = planOf(cluster);
  cluster.apply(commitPlanned(plan, false)).finishMoves();
  return { cluster, plan, moves: plan.moves.length };
}

test('a plan is plain JSON', () => {
  const cluster = joining(new FoldedCluster(64).grow(b), c).stage({ kind: 'remove', node: b });
  const plan = planOf(cluster, { bytesOf: new Map() });
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan);
});

test('who leaves keeps nothing, who replaces gets just that, and what is removed is rebuilt', () => {
  const grown = () => joining(new FoldedCluster(64).grow(b, c, d), e);
  const owned = grown().state.owners.flatMap((owner, at) => (owner === b ? [at] : []));
  const replaced = grown().stage({ kind: 'replace', node: b, by: e });
  const plan = planOf(replaced);
  assert.deepEqual(
    plan.moves.map(({ partition, from, to }) => [partition, from, to]),
    owned.map((partition) => [partition, b, e]),
  );
  assert.deepEqual(
    plan.nodes.filter(({ before, after }) => before !== after).map(({ node, after }) => [node, after]),
    [
      [b, 'leaving'],
      [e, 'valid'],
    ],
  );
  const forced = planOf(grown().stage({ kind: 'force-replace', node: b, by: e }));
  assert.ok(forced.moves.every(({ from, to }) => from === null && to === e));
  assert.equal(forced.nodes.find(({ node }) => node === b)?.after, 'gone');
  assert.ok(forced.warnings.some((warning) => /rebuilt from their other replicas/.test(warning)));
});

test('who is down gets nothing and keeps what it has', () => {
  const cluster = new FoldedCluster(64).grow(b, c);
  cluster.apply({ kind: 'mark', node: b, status: 'down' }).stage({ kind: 'leave', node: c });
  const plan = planOf(cluster);
  assert.ok(plan.moves.every(({ to }) => to !== b));
  assert.ok(plan.warnings.includes(`${b} is down: it keeps what it owns and gets nothing`));
  cluster.apply(commitPlanned(plan, false));
});

test('warnings: too few nodes, locations that share lists, sizes not known, pairs that lose data', () => {
  const few = planOf(joining(new FoldedCluster(64), c), { bytesOf: new Map() });
  assert.ok(few.warnings.includes('2 nodes for target_n_val 3: replicas of a key share nodes'));
  assert.ok(few.warnings.includes(`${few.sameNode.count} preference lists of 3 lack distinct nodes`));
  assert.ok(few.warnings.includes(`${few.sameLocation.count} preference lists of 3 lack distinct locations`));
  assert.ok(few.warnings.includes(`the size of ${few.moves.length} partitions that move is not known`));
  assert.equal(few.sameNode.count, 64);
  assert.deepEqual(few.risk, {
    replicas: 3,
    pairs: 1,
    pairsLosingAll: 1,
    pairsLosingQuorum: 1,
    worstLosingAll: 64,
  });
  const enough = planOf(joining(new FoldedCluster(64), b, c, d, e, nodes[5]));
  assert.equal(enough.sameNode.count, 0);
  assert.equal(enough.risk?.pairsLosingAll, 0);
  assert.ok(!enough.warnings.some((warning) => /distinct nodes|share nodes|pairs/.test(warning)));
});

test('there is nothing to plan, or what is staged has become impossible', () => {
  const cluster = new FoldedCluster(64).grow(b);
  cluster.apply(commitPlanned(planOf(joining(cluster, c)), false)).finishMoves();
  const refusalOf = () => {
    const outcome = planChanges(cluster.state, inputs);
    return outcome.kind === 'refused' ? outcome.refusal.code : undefined;
  };
  assert.equal(refusalOf(), 'nothing_planned');
  cluster.stage({ kind: 'leave', node: b }).apply({ kind: 'mark', node: b, status: 'down' });
  assert.equal(refusalOf(), 'wrong_status');
});

test('over pending moves a plan says that it must be forced, and what has switched stays', () => {
  const cluster = joining(new FoldedCluster(64).grow(b), c);
  cluster.apply(commitPlanned(planOf(cluster), false));
  const [first, second] = [...cluster.state.moves.keys()];
  cluster.advance('copying', first, second).advance('switched', first);
  cluster.stage({ kind: 'leave', node: b });
  const plan = planOf(cluster);
  assert.equal(plan.refusal?.code, 'moves_pending');
  assert.equal(plan.owners[first], c);
  assert.equal(plan.owners[second], c, 'what is being copied need not go elsewhere');
  cluster.refuse('moves_pending', commitPlanned(plan, false));
  const forced = planOf(cluster);
  cluster.apply(commitPlanned(forced, true));
});

test('a plan over copying moves goes on from where they lead', () => {
  const cluster = joiningAt(apart, carriedOut(joiningAt(apart, new FoldedCluster(64), b)).cluster, c);
  cluster.apply(commitPlanned(planOf(cluster), false)).advance('copying');
  const arriving = new Set(cluster.state.moves.keys());
  const plan = planOf(joiningAt(apart, cluster, d));
  const shareOfC = plan.owners.flatMap((owner, at) => (owner === c ? [at as Partition] : []));
  assert.equal(shareOfC.length, 16);
  const kept = shareOfC.filter((partition) => arriving.has(partition));
  assert.deepEqual(kept, shareOfC);
  assert.ok(
    plan.moves.every(({ to }) => to !== c),
    'what is under way is not begun again',
  );
  assert.ok(plan.moves.some(({ to }) => to === d));
});

test('in whatever state: a plan can be committed, or there is a reason', () => {
  let planned = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
      const start = new FoldedCluster(8).grow(b, c, d).state;
      foldHistory(start, steps, (_before, asked, { state }) => {
        if (asked.kind === 'advance') return;
        const outcome = planChanges(state, inputs);
        if (outcome.kind === 'refused') return;
        planned += 1;
        const { plan } = outcome;
        const { refusal } = fold(state, commitPlanned(plan, plan.refusal !== null));
        assert.equal(refusal, undefined);
      });
    }),
    { numRuns: 40, includeErrorInReport: true },
  );
  assert.ok(planned > 100, `${planned}`);
});
