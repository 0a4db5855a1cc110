import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeIdOf } from '../../environment/index.ts';
import type { RingNode } from './ring-node.ts';
import { type FailureSet, failureSetCount, failureUnits, ringRisk } from './ring-risk.ts';

const nodesOf = (locations: readonly number[]): RingNode[] =>
  locations.map((location, index) => ({ node: nodeIdOf(`n${index}@h`), location: `rack${location}` }));

function subsets<T>(items: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return items.flatMap((item, index) =>
    subsets(items.slice(index + 1), count - 1).map((rest) => [item, ...rest]),
  );
}

test('law: agrees with trying every set of failures on every preference list', () => {
  const cases = fc.record({
    locations: fc.array(fc.nat(3), { minLength: 1, maxLength: 7 }),
    picks: fc.array(fc.nat(6), { minLength: 8, maxLength: 16 }),
    n: fc.integer({ min: 1, max: 5 }),
    failures: fc.integer({ min: 1, max: 3 }),
    unit: fc.constantFrom('node' as const, 'location' as const),
  });
  fc.assert(
    fc.property(cases, ({ locations, picks, n, failures, unit }) => {
      const nodes = nodesOf(locations);
      const indexes = picks.map((pick) => pick % nodes.length);
      const owners = indexes.map((index) => nodes[index].node);
      const nameOf = (index: number): string =>
        unit === 'node' ? nodes[index].node : `location ${nodes[index].location}`;
      const units = failureUnits(owners, nodes, unit);
      assert.deepEqual(units, [...new Set(nodes.map((_, index) => nameOf(index)))].sort());
      const sets: FailureSet[] = subsets(units, failures).map((failed) => {
        let [allLost, quorumLost] = [0, 0];
        for (let first = 0; first < owners.length; first += 1) {
          let left = 0;
          for (let step = 0; step < n; step += 1) {
            if (!failed.includes(nameOf(indexes[(first + step) % owners.length]))) left += 1;
          }
          if (left === 0) allLost += 1;
          if (left < Math.floor(n / 2) + 1) quorumLost += 1;
        }
        return { units: failed, allLost, quorumLost };
      });
      const risk = ringRisk(owners, nodes, n, failures, unit);
      assert.equal(risk.sets, sets.length);
      assert.equal(risk.sets, failureSetCount(units.length, failures));
      assert.equal(risk.setsLosingAll, sets.filter(({ allLost }) => allLost > 0).length);
      assert.equal(risk.setsLosingQuorum, sets.filter(({ quorumLost }) => quorumLost > 0).length);
      assert.equal(risk.probabilityOfAllLost, sets.length === 0 ? 0 : risk.setsLosingAll / sets.length);
      const worst = sets
        .filter(({ quorumLost }) => quorumLost > 0)
        .sort((a, b) => b.allLost - a.allLost || b.quorumLost - a.quorumLost)
        .slice(0, 20);
      assert.deepEqual(risk.worst, worst);
    }),
  );
});

test('two failures of 200 nodes are weighed, five are refused', () => {
  const nodes = nodesOf(Array.from({ length: 200 }, (_, index) => index));
  const owners = Array.from({ length: 1024 }, (_, index) => nodes[index % 200].node);
  const risk = ringRisk(owners, nodes, 3, 2);
  assert.equal(risk.sets, 19_900);
  // Each node shares lists with two on either side; where the ring closes, 1,024 = 5·200 + 24 brings more together.
  assert.equal(risk.setsLosingQuorum, 200 * 2 + 3);
  assert.equal(risk.setsLosingAll, 0);
  assert.throws(() => ringRisk(owners, nodes, 3, 5), /more than/);
});
