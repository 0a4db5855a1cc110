import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { ClaimProblem } from './claim-problem.ts';
import { growNodes, layOutLocations, layOutNodes } from './ring-layout.ts';

const size = fc.constantFrom(8, 16, 32, 64, 128, 256, 512, 1024);

function problemOf(
  partitions: number,
  locations: readonly (number | undefined)[],
  targetN = 4,
): ClaimProblem {
  const nodes = locations.map((location, index) => ({
    node: nodeIdOf(`n${index}`),
    location: location === undefined ? undefined : `rack${location}`,
  }));
  return new ClaimProblem(new Array<NodeId>(partitions).fill(nodeIdOf('gone')), nodes, targetN);
}

/** The least distance around the circle between two places with one label. */
function leastGap(layout: Int32Array): number {
  const last = new Map<number, number>();
  let least = layout.length;
  for (let place = 0; place < layout.length * 2; place += 1) {
    const label = layout[place % layout.length];
    least = Math.min(least, place - (last.get(label) ?? place - layout.length));
    last.set(label, place);
  }
  return least;
}

function countsOf(layout: Int32Array, labels: number): number[] {
  const counts = new Array<number>(labels).fill(0);
  for (const label of layout) counts[label] += 1;
  return counts;
}

test('law L1: nodes that take turns are nowhere nearer than ⌊Q/k⌋, for the most partitions k that one has', () => {
  fc.assert(
    fc.property(size, fc.integer({ min: 1, max: 200 }), (partitions, count) => {
      const problem = problemOf(partitions, new Array(count).fill(undefined));
      const quotas = problem.quotas();
      const layout = layOutNodes(problem, quotas);
      assert.deepEqual(countsOf(layout, count), [...quotas]);
      assert.ok(leastGap(layout) >= Math.floor(partitions / problem.most));
    }),
    { numRuns: 300 },
  );
});

test('law L2: locations are nowhere nearer than ⌊Q/k⌋, for the most partitions k that one has', () => {
  const locations = fc.array(fc.nat(9), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(size, locations, (partitions, racks) => {
      const problem = problemOf(partitions, racks);
      const quotas = problem.quotas();
      const totals = problem
        .nodesByLocation()
        .map((nodes) => nodes.reduce((sum, node) => sum + quotas[node], 0));
      const layout = layOutLocations(problem, quotas);
      assert.deepEqual(countsOf(layout, problem.locationCount), totals);
      assert.ok(leastGap(layout) >= Math.floor(partitions / Math.max(...totals)));
    }),
    { numRuns: 300 },
  );
});

test('a grown ring has the shares it was asked for', () => {
  const problem = problemOf(64, new Array(13).fill(undefined));
  const quotas = problem.quotas();
  assert.deepEqual(countsOf(growNodes(problem, quotas), 13), [...quotas]);
});
