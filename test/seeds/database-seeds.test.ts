/**
 * Seeds of the simulator that once found something wrong in the database, each with what it was. A seed
 * tells the same story only while its scenario draws the same: the unit tests named beside hold the law.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runScenario, scenarioNamed } from '../../src/simulator/index.ts';

const past: readonly (readonly [scenario: string, seed: number, what: string])[] = [
  ['refused-batch', 3, 'a tombstone was forgotten though the repair of an older replica failed'],
  ['refused-batch', 9, 'the same'],
  ['sick-reads', 12, 'the same, the older replica being out of reach for a moment'],
  ['bit-rot', 1, 'a damaged copy was not repaired by reading'],
  ['node-crash', 1049, 'a rolled journal lost its name: its directory was not synced by the next start'],
  ['node-crash', 1178, 'the same'],
  ['failed-sync', 1241, 'the same'],
  ['failed-sync', 103, 'a record whose sync had failed was taken for durable after kill -9'],
  ['clock-jump', 6, 'a tombstone that was reaped, of a clock ahead, hid a write that came after it'],
];

for (const [scenario, seed, what] of past) {
  test(`${scenario}, seed ${seed}: ${what}`, async () => {
    const { failure } = await runScenario(scenarioNamed(scenario), seed);
    assert.equal(failure, undefined);
  });
}
