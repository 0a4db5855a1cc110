/** The disk of one node fills up under load: the others stand in, and when there is room again all is as it was. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ClusterLoad } from './cluster-load.ts';
import type { ClusterNode } from './cluster-node.ts';
import { HaleCluster } from './hale-cluster.ts';
import { SeededRun, sleep } from './seeded-run.ts';
import { ShrinkingDisk } from './shrinking-disk.ts';

const run = new SeededRun('cluster-full-disk');
const fullMs = run.size(1500, 10_000);
const rounds = run.size(1, 5);
const load = { clients: 12, keysPerClient: 20, putPercent: 60, deletePercent: 0 };
/** The engine looks again at least every five seconds. */
const settleMsMax = 60_000;
/** Less than the engine needs to go on for long. */
const crumbBytes = 256 * 1024;

test('one of three disks is full: nothing is refused and nothing is lost', async (context) => {
  let disk: ShrinkingDisk | undefined;
  const cluster = await HaleCluster.start({
    size: 3,
    prepare: (node, index) => {
      if (index === 0) disk = mounted(node, context);
    },
  });
  try {
    if (disk !== undefined) await fillAndEmpty(cluster, disk, context);
  } finally {
    await cluster.kill();
    disk?.[Symbol.dispose]();
    await cluster[Symbol.asyncDispose]();
  }
});

async function fillAndEmpty(cluster: HaleCluster, disk: ShrinkingDisk, context: TestContext): Promise<void> {
  await using clients = new ClusterLoad(cluster, run, load);
  clients.start();
  const [node] = cluster.nodes;
  for (let round = 0; round < rounds; round += 1) {
    await clients.during(context, 'full', async () => {
      disk.shrinkTo(crumbBytes);
      await untilFailing(node!);
      await sleep(fullMs);
    });
    disk.grow();
    context.diagnostic(`settled after ${Math.round(await cluster.settled(settleMsMax))} ms`);
  }
  await clients.stop();
  assert.ok((await clients.check()) > 0);
}

async function untilFailing(node: ClusterNode): Promise<void> {
  const deadline = performance.now() + 20_000;
  while ((await node.metric('hale_storage_failing')) !== 1) {
    assert.ok(performance.now() < deadline, 'the disk does not fill up');
    await sleep(50);
  }
}

function mounted(node: ClusterNode, context: TestContext): ShrinkingDisk | undefined {
  try {
    return new ShrinkingDisk(node.dataDirectory);
  } catch (error) {
    const reason = `no file system can be mounted here: ${String(error)}`;
    context.diagnostic(`NOT TESTED, since ${reason}`);
    console.error(`NOT TESTED: ${context.name}: ${reason}`);
    return undefined;
  }
}
