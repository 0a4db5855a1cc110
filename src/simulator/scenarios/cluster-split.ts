/**
 * A cluster in two halves of which both are written to: each answers everything (promise 2), and nothing that
 * either acknowledged is rolled back when they meet again (promise 1).
 */
import type { Scenario } from '../scenario.ts';
import type { World } from '../world.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

/** When both sides know of the split: detection, with a connection that has to be given up. */
const detectedMs = 60_000;

async function split(world: World, forMs: number, pauseMsMean: number): Promise<void> {
  const random = world.random.fork('scenario');
  const play = await ClusterPlay.begin(world, {
    ...calmCluster,
    nodes: random.pick([4, 5, 6]),
    ringSize: 16,
    configurations: 'quiet',
    expectedErrors: faultErrors,
    fixed: { delete_mode: random.pick(['keep', 'immediate', 3000]) },
    client: { pauseMsMean },
  });
  play.work();
  await world.sleep(2000);
  await play.stopWork();
  const { members } = play.stage;
  const left = members.slice(0, 1 + random.below(members.length - 1));
  const right = members.filter((member) => !left.includes(member));
  const heal = world.network.partition([left, right].map((side) => side.map(({ process }) => process.host)));
  play.work(3, () => left);
  play.work(3, () => right);
  await world.sleep(detectedMs);
  const failures = (): number => world.work.done('unknown puts') + world.work.done('failed reads');
  const before = failures();
  await world.sleep(forMs);
  const refused = failures() - before;
  heal();
  world.record('stage', 'healed');
  if (refused > 0) throw new Error(`${refused} requests were not answered by one half of the cluster`);
  await play.rest();
}

export const clusterSplit: Scenario = {
  name: 'cluster-split',
  describe: 'both sides of a split answer everything for a while, and none of it is rolled back',
  run: (world) => split(world, 60_000, 300),
};

export const clusterSplitLong: Scenario = {
  name: 'cluster-split-long',
  describe: 'as cluster-split, for two hours',
  isLong: true,
  run: (world) => split(world, 7_200_000, 10_000),
};
