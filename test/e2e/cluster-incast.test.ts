/**
 * Incast: replies of several replicas meet in the shallow buffer of one switch port. Three that all send 256-KiB values
 * collapse to 30 Mbit/s, with a p99 over 200 ms; one full value and clocks from the rest (D9) do not.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterNode } from './cluster-node.ts';
import { HaleCluster } from './hale-cluster.ts';
import { SeededRun } from './seeded-run.ts';
import { SwitchedNetwork } from './switched-network.ts';

const run = new SeededRun('cluster-incast');
const replicas = 3;
const values = run.size(20, 100);
const valueBytes = 256 * 1024;
const readMs = run.size(3000, 20_000);
const readers = 4;
const collapseMbit = 30;
/** The short form runs beside other work: it only has to tell a collapse. */
const mbitMin = run.size(2 * collapseMbit, 10 * collapseMbit);
const p99MsMax = run.size(200, 50);
const bucket = 'large';

test('three replicas answer through a shallow switch port: no collapse', async (context) => {
  using network = SwitchedNetwork.create(replicas + 1, context);
  if (network === undefined) return;
  await using cluster = await HaleCluster.start({
    size: replicas,
    settings: ['cluster.secret=a-secret-of-this-test'],
    placeOf: (index) => network.machine(index),
  });
  // A member that owns nothing has no replica of its own to read.
  const coordinator = await cluster.startNode();
  await cluster.join(coordinator);
  await fill(coordinator);
  network.makeShallow(replicas);

  const latencies: number[] = [];
  const started = performance.now();
  const reader = async (): Promise<void> => {
    using connection = await coordinator.connect();
    while (performance.now() - started < readMs) {
      const asked = performance.now();
      const found = await connection.get(bucket, `k${run.below(values)}`);
      latencies.push(performance.now() - asked);
      assert.equal(found.values[0]?.length, valueBytes);
    }
  };
  await Promise.all(Array.from({ length: readers }, reader));
  const seconds = (performance.now() - started) / 1000;
  const mbit = (latencies.length * valueBytes * 8) / seconds / 1e6;
  const p99 = latencies.sort((a, b) => a - b)[Math.floor(latencies.length * 0.99)]!;
  context.diagnostic(
    `${Math.round(mbit)} Mbit/s of values, p99 ${p99.toFixed(1)} ms, ${latencies.length} reads`,
  );
  assert.ok(mbit > mbitMin, `${mbit} Mbit/s`);
  assert.ok(p99 < p99MsMax, `p99 ${p99} ms`);
  cluster.assertSound();
});

async function fill(coordinator: ClusterNode): Promise<void> {
  using connection = await coordinator.connect();
  for (let number = 0; number < values; number += 1) {
    await connection.put(bucket, `k${number}`, run.bytes(valueBytes));
  }
}
