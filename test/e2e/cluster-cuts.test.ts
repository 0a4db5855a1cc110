/**
 * Nodes on machines of their own (network namespaces) that are cut off from each other: both sides answer and
 * take writes, a link that loses packets one way condemns nobody, and after the heal everything acknowledged is there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterLoad } from './cluster-load.ts';
import { HaleCluster } from './hale-cluster.ts';
import { SeededRun, sleep } from './seeded-run.ts';
import { SwitchedNetwork } from './switched-network.ts';

const run = new SeededRun('cluster-cuts');
const size = run.size(3, 5);
const rounds = run.size(1, 8);
const cutMs = run.size(2500, 12_000);
/** Connections that were cut must be given up, found dead, and made anew. */
const healMsMax = 60_000;
const load = { clients: 12, keysPerClient: 20, putPercent: 50, deletePercent: 0 };

test(`${size} machines: splits, one-way cuts and pulled plugs lose nothing`, async (context) => {
  using network = SwitchedNetwork.create(size, context);
  if (network === undefined) return;
  await using cluster = await HaleCluster.start({
    size,
    settings: ['cluster.secret=a-secret-of-this-test'],
    placeOf: (index) => network.machine(index),
  });
  await using clients = new ClusterLoad(cluster, run, load);
  clients.start();
  for (let round = 0; round < rounds; round += 1) {
    await context.test(`round ${round + 1}: split`, async (splitting) => {
      const lonely = run.below(size);
      const others = cluster.nodes.map((_, index) => index).filter((index) => index !== lonely);
      clients.seesAll = false;
      await clients.during(
        splitting,
        `${lonely} is cut off from ${others.join()}`,
        async () => {
          network.split([lonely], others);
          await sleep(cutMs);
        },
        () => network.heal(),
      );
      splitting.diagnostic(`settled after ${Math.round(await cluster.settled(healMsMax))} ms`);
      clients.seesAll = true;
    });
    await context.test(`round ${round + 1}: one way`, async (cutting) => {
      const from = run.below(size);
      const to = (from + 1 + run.below(size - 1)) % size;
      await clients.during(
        cutting,
        `nothing from ${from} reaches ${to}`,
        async () => {
          network.cut(from, to);
          await sleep(cutMs);
        },
        () => network.heal(),
      );
      cutting.diagnostic(`settled after ${Math.round(await cluster.settled(healMsMax))} ms`);
    });
    if (!run.isLong) break;
    await context.test(`round ${round + 1}: a plug is pulled`, async (pulling) => {
      const index = run.below(size);
      const node = cluster.nodes[index]!;
      await clients.during(
        pulling,
        `${index} is unplugged`,
        async () => {
          node.setUnplugged(true);
          network.unplug(index);
          await sleep(cutMs);
        },
        () => {
          network.plug(index);
          node.setUnplugged(false);
        },
      );
      pulling.diagnostic(`settled after ${Math.round(await cluster.settled(healMsMax))} ms`);
    });
  }
  await clients.stop();
  assert.ok((await clients.check()) > 0);
  cluster.assertSound();
});
