/**
 * Incast: replies of several replicas meet in the shallow buffer of one switch port. Where all send 256-KiB values they
 * collapse: the port drops the ends of replies, and senders wait 200 ms before they send them again. One full
 * value and digests from the rest do not, and the values of several readers are asked for in turn once they have
 * been seen to stall one another.
 *
 * What is counted is that waiting, at the senders, and its cause: what passes the port for each read. How many megabits
 * there are depends on what else the machine does.
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
const reads = run.size(40, 1000);
/** One as it is, and several at once, whose values meet in the port as those of three replicas would. */
const readersAtOnce = [1, 4];
/** Timeouts of TCP for each read. A machine that does other things has a few of its own. */
const timeoutsPerReadMax = 0.02;
/** Several readers have to see some before they are paced. */
const timeoutsMax = 5;
/** A value, its frames and acknowledgements, and now and then one that was asked for twice. Three would be incast. */
const valuesPerReadMax = 1.8;
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
  network.withoutOffloadTowards(replicas);
  if (run.isLong) {
    for (const readers of readersAtOnce) await read(cluster, coordinator, context, readers, 'deep buffer');
  }
  network.makeShallow(replicas);
  const timeouts = (): number =>
    Array.from({ length: replicas }, (_, index) => network.tcpTimeoutsOf(index)).reduce((a, b) => a + b);
  for (const readers of readersAtOnce) {
    const timeoutsBefore = timeouts();
    const bytesBefore = network.countsOf(replicas).sentBytes;
    await read(cluster, coordinator, context, readers, 'shallow buffer');
    const waits = timeouts() - timeoutsBefore;
    const { sentBytes, words } = network.countsOf(replicas);
    const valuesPerRead = (sentBytes - bytesBefore) / valueBytes / reads;
    context.diagnostic(`${valuesPerRead.toFixed(2)} values a read, ${waits} timeouts of TCP; ${words}`);
    assert.ok(
      waits <= Math.max(timeoutsMax, reads * timeoutsPerReadMax),
      `${waits} timeouts in ${reads} reads of ${readers} readers`,
    );
    assert.ok(valuesPerRead < valuesPerReadMax, `${valuesPerRead} values for each read`);
  }
  cluster.assertSound();
});

async function fill(coordinator: ClusterNode): Promise<void> {
  using connection = await coordinator.connect();
  for (let number = 0; number < values; number += 1) {
    await connection.put(bucket, `k${number}`, run.bytes(valueBytes));
  }
}

async function read(
  cluster: HaleCluster,
  coordinator: ClusterNode,
  context: TestContext,
  readers: number,
  what: string,
): Promise<void> {
  const cpuSeconds = (): number => cluster.nodes.reduce((sum, node) => sum + node.process.cpuSeconds, 0);
  const cpuBefore = cpuSeconds();
  const latencies: number[] = [];
  const started = performance.now();
  let left = reads;
  const reader = async (): Promise<void> => {
    using connection = await coordinator.connect();
    while (left > 0) {
      left -= 1;
      const asked = performance.now();
      const found = await connection.get(bucket, `k${run.below(values)}`);
      latencies.push(performance.now() - asked);
      assert.equal(found.values[0]?.length, valueBytes);
    }
  };
  await Promise.all(Array.from({ length: readers }, reader));
  const seconds = (performance.now() - started) / 1000;
  const mbit = (reads * valueBytes * 8) / seconds / 1e6;
  const p99Ms = latencies.sort((a, b) => a - b)[Math.floor(latencies.length * 0.99)]!;
  const cpuMs = ((cpuSeconds() - cpuBefore) / reads) * 1000;
  const rates = `${Math.round(mbit)} Mbit/s of values, p99 ${p99Ms.toFixed(1)} ms`;
  context.diagnostic(
    `${what}, ${readers} at once: ${rates}, ${cpuMs.toFixed(1)} ms of the nodes' CPU for each read`,
  );
}
