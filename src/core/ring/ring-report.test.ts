import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { assessRing, violationsListedMax } from './ring-report.ts';
import { movesBetween, movesMin } from './ring-transition.ts';

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => nodeIdOf(name));
const inRack = (node: NodeId, rack?: string) => ({ node, location: rack });

test('a report counts partitions, lists what breaks the rules, around the end too', () => {
  const owners = [a, b, c, a, b, c, b, a];
  const report = assessRing(owners, [inRack(a, 'x'), inRack(b, 'y'), inRack(c, 'y')], 3);
  assert.deepEqual(
    [...report.partitionsOfNode],
    [
      [a, 3],
      [b, 3],
      [c, 2],
    ],
  );
  assert.deepEqual(
    [...report.partitionsOfLocation],
    [
      ['x', 3],
      ['y', 5],
    ],
  );
  assert.equal(report.imbalance, 1);
  assert.equal(report.sameNode.count, 3);
  assert.deepEqual(report.sameNode.listed, [4, 6, 7]);
  assert.equal(report.sameLocation.count, 8);
  assert.equal(report.replicaPairs, 3);
  assert.equal(report.replicaSets, 3);
});

test('who owns without being a node is an orphan; a node without a location shares none', () => {
  const report = assessRing([a, b, d, a, b, d, a, b], [inRack(a), inRack(b)], 2);
  assert.equal(report.orphans, 2);
  assert.deepEqual([...report.partitionsOfNode.keys()], [a, b, d]);
  assert.equal(report.partitionsOfLocation.size, 0);
  assert.equal(report.sameLocation.count, report.sameNode.count);
});

test('violations are counted in full and listed up to a bound', () => {
  const report = assessRing(new Array<NodeId>(1024).fill(a), [inRack(a)], 3);
  assert.equal(report.sameNode.count, 1024);
  assert.equal(report.sameNode.listed.length, violationsListedMax);
});

test('moves are what differs, with who gives and who gets', () => {
  const moves = movesBetween([a, b, a, b, a, b, a, b], [a, c, a, b, a, b, c, b]);
  assert.deepEqual(moves, [
    { partition: 1, from: b, to: c },
    { partition: 6, from: a, to: c },
  ]);
  assert.throws(() => movesBetween([a], [a, b]), /size/);
});

test('law: the fewest moves are those of the best of all balanced rings', () => {
  const cases = fc.record({
    owners: fc.array(fc.constantFrom(a, b, c, d), { minLength: 6, maxLength: 6 }),
    nodes: fc.uniqueArray(fc.constantFrom(a, b, c), { minLength: 1, maxLength: 3 }),
  });
  fc.assert(
    fc.property(cases, ({ owners, nodes }) => {
      let fewest = owners.length;
      for (let code = 0; code < nodes.length ** owners.length; code += 1) {
        const ring = owners.map((_, index) => nodes[Math.floor(code / nodes.length ** index) % nodes.length]);
        const counts = nodes.map((node) => ring.filter((owner) => owner === node).length);
        if (Math.max(...counts) - Math.min(...counts) > 1) continue;
        fewest = Math.min(fewest, movesBetween(owners, ring).length);
      }
      assert.equal(movesMin(owners, nodes), fewest);
    }),
    { numRuns: 60 },
  );
});
