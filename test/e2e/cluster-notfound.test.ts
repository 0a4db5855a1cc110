/**
 * A node that is killed under load never turns an existing key into a miss: a fallback that has nothing is no evidence
 * of absence. Riak answered 646 of 27,500 reads so in such a trial.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterClient, newTally } from './cluster-client.ts';
import { HaleCluster } from './hale-cluster.ts';
import { SeededRun, sleep } from './seeded-run.ts';

const run = new SeededRun('cluster-notfound');
const size = run.size(3, 5);
const keys = run.size(100, 2000);
const reads = run.size(600, 27_500);
const clients = 16;
const deadMs = run.size(500, 4000);
const bucket = 'present';

test(`${reads} reads of ${keys} keys while nodes are killed: none is a miss`, async (context) => {
  await using cluster = await HaleCluster.start({ size });
  const tally = newTally();
  const misses: string[] = [];
  await together(cluster, keys, tally, async (client, number) => {
    const isStored = await client.put(bucket, `k${number}`, Buffer.from(`v${number}`));
    assert.ok(isStored, [...tally.refused.keys()].join());
  });
  let isDone = false;
  const reading = together(cluster, reads, tally, async (client) => {
    const number = run.below(keys);
    const found = await client.get(bucket, `k${number}`);
    if (found !== undefined && found.values.length === 0) misses.push(`k${number}`);
    if (run.chance(2)) client.move();
  }).finally(() => {
    isDone = true;
  });
  reading.catch(() => undefined);
  while (tally.answered < keys + clients) await sleep(1);
  let kills = 0;
  while (!isDone || kills === 0) {
    const node = run.pick(cluster.nodes);
    await node.kill();
    kills += 1;
    await sleep(deadMs);
    await node.start();
    if (!isDone) await cluster.settled();
  }
  await reading;
  context.diagnostic(
    `${tally.answered} answered, ${tally.interrupted} interrupted, ${kills} kills, slowest ${Math.round(tally.slowestMs)} ms`,
  );
  assert.deepEqual(misses, []);
  assert.deepEqual([...tally.refused], []);
  cluster.assertSound();
});

async function together(
  cluster: HaleCluster,
  count: number,
  tally: ReturnType<typeof newTally>,
  act: (client: ClusterClient, number: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    using client = new ClusterClient(cluster, run, () => tally);
    while (next < count) {
      next += 1;
      await act(client, next - 1);
    }
  };
  await Promise.all(Array.from({ length: clients }, worker));
}
