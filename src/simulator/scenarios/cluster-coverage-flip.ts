/**
 * Keys are listed while partitions change hands: each listing has every key once, or says that it failed (OpenRiak
 * riak_kv 23: a vnode between its drop and its end answered with nothing).
 */
import type { Scenario } from '../scenario.ts';
import { changePlaces } from '../workloads/change-places.ts';
import { nothingSeen } from '../workloads/cluster-clients.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

export const clusterCoverageFlip: Scenario = {
  name: 'cluster-coverage-flip',
  describe: 'a listing during changes of ownership has every key once, or fails',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('listings while partitions moved', 10);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([3, 4]),
      ringSize: random.pick([16, 32]),
      expectedErrors: faultErrors,
      fixed: { delete_mode: 'keep', transfer_limit: random.pick([2, 16]) },
      client: { keysPerBucket: 60, valueBytesMax: 20 },
    });
    const { stage, clients } = play;
    const [bucket] = clients.options.buckets;
    for (const key of clients.keys) await clients.put(random.pick(stage.members), key, random, nothingSeen);
    await play.rest();
    let isOver = false;
    const listers = Array.from({ length: 3 }, async (_, i) => {
      const own = random.fork(`lister ${i}`);
      while (!isOver) {
        await world.sleep(own.exponential(20));
        const node = own.pick(stage.settledMembers);
        await clients.list(node, bucket!);
        if (node.isServing && stage.state(node).moves.size > 0)
          world.work.add('listings while partitions moved');
      }
    });
    for (let round = 0; round < 2; round++) {
      await changePlaces(stage, random);
    }
    isOver = true;
    await Promise.all(listers);
    await play.rest();
  },
};
