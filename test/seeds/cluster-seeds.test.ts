/**
 * Seeds of whole clusters that once found something wrong, each with what it was. A seed tells the same story only
 * while its scenario draws the same: the unit tests named beside hold the law.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runScenario, scenarioNamed } from '../../src/simulator/index.ts';

const past: readonly (readonly [scenario: string, seed: number, what: string])[] = [
  // Law: src/core/liveness/swim-paper.test.ts, "what a node says of itself is a change".
  [
    'cluster-acked-means-kept',
    3,
    'a node did not hear of its own stray data, and never took the cluster for settled',
  ],
];

for (const [scenario, seed, what] of past) {
  test(`${scenario}, seed ${seed}: ${what}`, async () => {
    const { failure } = await runScenario(scenarioNamed(scenario), seed);
    assert.equal(failure, undefined);
  });
}
