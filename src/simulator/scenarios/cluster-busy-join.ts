/**
 * A node joins a cluster whose disks are slow and whose clients never rest: what moves the partitions gives way to them all
 * the time, and ends all the same (B1).
 */
import type { Scenario } from '../scenario.ts';
import { ClusterPlay, calmCluster } from './cluster-story.ts';

const hastyRate = 2 ** 30;

export const clusterBusyJoin: Scenario = {
  name: 'cluster-busy-join',
  describe:
    'a node joins while disks are slow and clients never rest: the join ends, and each read follows the writes',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('writes while partitions moved', 20);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      ringSize: 16,
      fixed: {
        'background.delay.maximum': 1,
        'background.rate.minimum': random.pick([64 * 2 ** 10, 2 ** 20, hastyRate]),
        'handoff.batch.size': random.pick([1024, 64 * 2 ** 10]),
      },
      clients: 8,
      client: { keysPerBucket: 100, pauseMsMean: 5 },
      expectedErrors: ['overload', 'timeout'],
    });
    const { stage } = play;
    play.work(8, () => stage.settledMembers);
    await world.sleep(5000);
    const slow = (): void => {
      for (const { disk } of world.nodes) {
        disk.conditions = { ...disk.conditions, syncMs: 10 + 90 * random.fraction() };
      }
    };
    slow();
    const newcomer = stage.boot();
    await stage.untilServing([newcomer]);
    slow();
    await stage.join(newcomer, stage.members[0]!);
    const writesBefore = world.work.done('acked puts');
    await stage.change([{ kind: 'join', node: newcomer.id }]);
    await stage.untilSettled();
    world.work.add('writes while partitions moved', world.work.done('acked puts') - writesBefore);
    await play.rest();
  },
};
