/**
 * What happens to nodes of a cluster under load costs nobody an acknowledged write or an answer: `kill -9`, a
 * process that stands still, restarts of all in turn.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterLoad } from './cluster-load.ts';
import { HaleCluster } from './hale-cluster.ts';
import { SeededRun, sleep } from './seeded-run.ts';

const run = new SeededRun('cluster-faults');
const size = run.size(3, 6);
const rounds = run.size(1, 10);
const calmMs = run.size(500, 3000);
const load = { clients: 16, keysPerClient: 20, putPercent: 50, deletePercent: 0 };
/** Longer than it takes to find out that a node does not answer. */
const awayMs = run.size(2500, 8000);
/** By default settings a failure costs about two seconds, beside what requests take on this machine today. */
const detectionMsMax = 5000;
const calmShare = 4;

test(`${size} nodes: kill -9, pauses and restarts lose nothing and refuse nobody`, async (context) => {
  await using cluster = await HaleCluster.start({ size });
  await using clients = new ClusterLoad(cluster, run, load);
  clients.start();
  const calm = await clients.during(context, 'calm', () => sleep(calmMs));
  const slowMsMax = detectionMsMax + calmShare * calm.slowestMs;
  for (let round = 0; round < rounds; round += 1) {
    await context.test(`round ${round + 1}: kill -9`, async (killing) => {
      const node = run.pick(cluster.nodes);
      const { slowestMs } = await clients.during(killing, `${node.name} killed`, async () => {
        await node.kill();
        await sleep(awayMs);
      });
      assert.ok(slowestMs < slowMsMax, `${slowestMs} ms`);
      await clients.during(killing, `${node.name} back`, () => node.start());
      killing.diagnostic(`settled after ${Math.round(await cluster.settled())} ms`);
    });
    await context.test(`round ${round + 1}: a pause`, async (pausing) => {
      const node = run.pick(cluster.nodes);
      const { slowestMs } = await clients.during(pausing, `${node.name} paused`, async () => {
        node.pause();
        await sleep(awayMs);
      });
      node.resume();
      assert.ok(slowestMs < slowMsMax, `${slowestMs} ms`);
      pausing.diagnostic(`settled after ${Math.round(await cluster.settled())} ms`);
    });
    await context.test(`round ${round + 1}: restarts in turn`, async (restarting) => {
      for (const node of cluster.nodes.slice(0, run.size(1, size))) {
        await clients.during(restarting, `restart of ${node.name}`, async () => {
          await node.stop();
          await node.start();
        });
        restarting.diagnostic(`settled after ${Math.round(await cluster.settled())} ms`);
      }
    });
  }
  await clients.stop();
  const keys = await clients.check();
  assert.ok(keys >= load.clients, `only ${keys} keys`);
  cluster.assertSound();
});
