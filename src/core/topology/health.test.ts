import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HealthFacts, refusalsToCommit } from './health.ts';
import { dealt, FoldedCluster, memberOf, nodes } from './topology.fixture.ts';

const [a, b, c] = nodes;

function reasons(cluster: FoldedCluster, facts: Partial<HealthFacts> = {}): readonly string[] {
  return refusalsToCommit(cluster.state, {
    reachable: new Set(nodes),
    withStrays: new Set(),
    freeBytes: new Map(),
    incomingBytes: new Map(),
    freeBytesMin: 100,
    ...facts,
  });
}

test('a healthy cluster gives no reason', () => {
  assert.deepEqual(reasons(new FoldedCluster().grow(b, c)), []);
});

test('each illness is a reason, by the name of the node', () => {
  const cluster = new FoldedCluster().grow(b, c);
  assert.deepEqual(reasons(cluster, { reachable: new Set([a, c]) }), [`${b} cannot be reached`]);
  assert.deepEqual(reasons(cluster, { withStrays: new Set([c]) }), [
    `${c} holds data that waits to be handed off`,
  ]);
  const freeBytes = new Map([
    [a, 150],
    [b, 99],
  ]);
  assert.deepEqual(reasons(cluster, { freeBytes }), [`the disk of ${b} is too full`]);
  assert.deepEqual(reasons(cluster, { freeBytes, incomingBytes: new Map([[a, 51]]) }), [
    `the disk of ${a} is too full`,
    `the disk of ${b} is too full`,
  ]);
  cluster.commit(dealt(8, [a, c, b])).apply({ kind: 'mark', node: b, status: 'down' });
  assert.deepEqual(reasons(cluster), [
    `${cluster.state.moves.size} partitions still move`,
    `${b} is marked down`,
  ]);
});

test('that a node is ill is no reason not to remove or replace it by force', () => {
  const cluster = new FoldedCluster().grow(b, c).apply({ kind: 'mark', node: b, status: 'down' });
  cluster.apply({ kind: 'admit', member: memberOf(nodes[3]) });
  cluster.stage({ kind: 'remove', node: b }).stage({ kind: 'force-replace', node: c, by: nodes[3] });
  assert.deepEqual(reasons(cluster, { reachable: new Set([a, nodes[3]]) }), []);
});

test('staged changes that are not possible any more are a reason', () => {
  const cluster = new FoldedCluster().grow(b, c).stage({ kind: 'leave', node: b });
  cluster.apply({ kind: 'mark', node: b, status: 'down' });
  assert.deepEqual(reasons(cluster), [`${b} is down: leave is not possible`, `${b} is marked down`]);
});
