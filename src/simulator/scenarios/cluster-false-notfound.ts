/**
 * Nodes die under load, one or two at once, and come back, and keys that have long been there are never said to be missing: a
 * fallback's notfound is no evidence of absence. (Riak answered 646 of 27,500 such requests with notfound.)
 */
import type { Scenario } from '../scenario.ts';
import { nothingSeen } from '../workloads/cluster-clients.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

export const clusterFalseNotfound: Scenario = {
  name: 'cluster-false-notfound',
  describe: 'nodes die and come back under load, and no key that is there is said to be missing',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('reads of old keys', 200);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([5, 6]),
      ringSize: 16,
      configurations: 'quiet',
      expectedErrors: faultErrors,
      fixed: { delete_mode: 'keep' },
      client: { keysPerBucket: 40, entersReads: true },
    });
    const { stage, clients } = play;
    for (const key of clients.keys) await clients.put(random.pick(stage.members), key, random, nothingSeen);
    await stage.untilQuiet();
    let isOver = false;
    const readers = Array.from({ length: 6 }, async (_, i) => {
      const own = random.fork(`reader ${i}`);
      while (!isOver) {
        await world.sleep(own.exponential(10));
        await clients.read(own.pick(stage.members), own.pick(clients.keys));
        world.work.add('reads of old keys');
      }
    });
    for (let round = 0; round < 4; round++) {
      await world.sleep(random.exponential(1000));
      // With two of a list's three away, two fallbacks have nothing to show.
      const victims = new Set([random.pick(stage.members), random.pick(stage.members)]);
      for (const victim of victims) victim.end(random.pick(['kill', 'crash']));
      await world.sleep(random.exponential(8000));
      for (const { process } of victims) process.restart();
      await stage.untilServing();
    }
    isOver = true;
    await Promise.all(readers);
    await play.rest();
  },
};
