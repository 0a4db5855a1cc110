/** All lose their power at the same instant, and one bit of one disk flips in the dark (promise 1). */

import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import { engineDirectory } from '../workloads/simulated-engine.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

export const clusterPowerCut: Scenario = {
  name: 'cluster-power-cut',
  describe: 'the power of all nodes fails at once, and a bit flips: no acknowledged write is lost',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('flipped bits', 1);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([3, 5]),
      clients: 6,
      expectedErrors: faultErrors,
      fixed: { delete_mode: random.pick(['keep', 3000]) },
      client: { pauseMsMean: 5 },
    });
    for (let cuts = 0; cuts < 2; cuts++) {
      // Disks of unlike speed: what one node has on its own another may not have for long.
      for (const { process } of play.stage.members) {
        process.disk.conditions = { ...quietDisk, syncMs: random.pick([0.3, 3, 30]) };
      }
      play.work();
      await world.sleep(random.between(200, 2000));
      for (const member of play.stage.members) member.end('crash');
      await play.stopWork();
      await world.sleep(random.exponential(5000));
      const { disk } = random.pick(play.stage.members).process;
      const files = disk.list(engineDirectory).map((file) => `${engineDirectory}/${file}`);
      if (files.length > 0 && disk.rot(random.pick(files))) world.work.add('flipped bits');
      await play.rest();
    }
  },
};
