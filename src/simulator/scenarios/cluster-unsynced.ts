/**
 * Writes are left to the operating system, and one node after another loses its power, with what nobody synced there: no
 * acknowledged write is lost, since others have it, and no tombstone that those have forgotten is missed (C8). Where
 * tombstones are forgotten that not every replica has synced, what was deleted comes back, in most seeds.
 */
import { reapedMsMin } from '../../kv/vnode/index.ts';
import type { Scenario } from '../scenario.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

export const clusterUnsynced: Scenario = {
  name: 'cluster-unsynced',
  describe: 'writes that are not synced, and power cuts of single nodes: nothing deleted returns',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('acked deletes', 4);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([3, 4, 5]),
      expectedErrors: faultErrors,
      fixed: {
        durability: 'os',
        delete_mode: random.pick(['immediate', 300]),
        tombstone_pause: 100,
      },
    });
    const { stage, clients } = play;
    for (let cuts = 0; cuts < 2; cuts += 1) {
      play.work();
      await world.sleep(random.between(300, 1500));
      await play.stopWork();
      // What is there now is on all disks.
      await Promise.all(stage.members.map((member) => member.restartCleanly()));
      await stage.untilServing();
      await stage.untilQuiet();
      for (const key of clients.keys) {
        const seen = await clients.read(random.pick(stage.members), key);
        if (seen?.context !== undefined) await clients.delete(random.pick(stage.members), key, seen);
      }
      await world.sleep(random.between(100, 2000));
      const victim = random.pick(stage.members);
      victim.end('crash');
      world.work.add('cuts');
      // Also for so long that what was reaped is not remembered any more.
      await world.sleep(random.pick([1000, reapedMsMin]));
      await play.rest();
    }
  },
};
