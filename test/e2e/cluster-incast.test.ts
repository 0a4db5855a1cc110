/**
 * Incast: replies of several replicas meet in the shallow buffer of one switch port. Three that all send 256-KiB values
 * collapse to 30 Mbit/s, with a p99 over 200 ms; one full value and clocks from the rest (D9) do not.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ClusterNode } from './cluster-node.ts';
import { HaleCluster } from './hale-cluster.ts';
import { SeededRun } from './seeded-run.ts';
import { SwitchedNetwork } from './switched-network.ts';

const run = new SeededRun('cluster-incast');
const replicas = 3;
const values = run.size(20, 100);
const valueBytes = 256 * 1024;
const readMs = run.size(1500, 15_000);
const readers = 4;
const collapseMbit = 30;
const idleMbitMin = 10 * collapseMbit;
const idleP99MsMax = 50;
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
  network.withoutOffload();
  // How fast this machine is today, with a switch that never drops.
  const deep = await read(coordinator, context, 'deep buffer');
  network.makeShallow(replicas);
  const shallow = await read(coordinator, context, 'shallow buffer');
  context.diagnostic(network.countsOf(replicas));
  assert.ok(shallow.mbit > 2 * collapseMbit, 'no collapse');
  assert.ok(shallow.mbit > Math.min(idleMbitMin, deep.mbit / 2), 'the switch does not rule');
  assert.ok(
    shallow.p99Ms < Math.max(idleP99MsMax, 2 * deep.p99Ms),
    'nor does the time that TCP waits to repeat',
  );
  cluster.assertSound();
});

async function fill(coordinator: ClusterNode): Promise<void> {
  using connection = await coordinator.connect();
  for (let number = 0; number < values; number += 1) {
    await connection.put(bucket, `k${number}`, run.bytes(valueBytes));
  }
}

async function read(coordinator: ClusterNode, context: TestContext, what: string) {
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
  const p99Ms = latencies.sort((a, b) => a - b)[Math.floor(latencies.length * 0.99)]!;
  context.diagnostic(
    `${what}: ${Math.round(mbit)} Mbit/s of values, p99 ${p99Ms.toFixed(1)} ms, ${latencies.length} reads`,
  );
  return { mbit, p99Ms };
}
