/**
 * A node that lost its data, or one copy, and goes on under its name (riak_kv#679): what it coordinates next must not pass
 * for something that the others have already, and be thrown away.
 */
import { WriteBatch } from '../../storage/index.ts';
import { storedCopies } from '../checkers/replicas-agree.ts';
import type { Scenario } from '../scenario.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { engineDirectory } from '../workloads/simulated-engine.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

export const clusterAmnesia: Scenario = {
  name: 'cluster-amnesia',
  describe: 'a node forgets a copy, or all of them, and coordinates again: acknowledged writes stay',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('forgetful moments', 3);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([3, 4]),
      expectedErrors: faultErrors,
      fixed: { delete_mode: 'keep' },
      client: { keysPerBucket: 4, blindPuts: 50, pauseMsMean: 10, deletes: 5 },
    });
    for (let round = 0; round < 3; round++) {
      play.work();
      await world.sleep(random.between(300, 1000));
      await play.stopWork();
      // Every replica has everything: one may lose it.
      await play.stage.untilQuiet();
      const victim = random.pick(play.stage.members);
      play.work();
      if (random.chance(0.5)) await loseDisk(victim);
      else await forgetSome(victim, () => random.chance(0.5));
      world.work.add('forgetful moments');
      await world.sleep(random.between(300, 1000));
      await play.rest();
    }
  },
};

/** The journal is gone, and who it is and which cluster it is of is not. */
async function loseDisk(victim: ClusterMember): Promise<void> {
  victim.end('kill');
  const { disk } = victim.process;
  for (const file of disk.list(engineDirectory)) disk.change([[`${engineDirectory}/${file}`, undefined]]);
  disk.syncDirectory(engineDirectory);
  victim.process.restart();
}

/** Behind the back of the vnodes. */
async function forgetSome(victim: ClusterMember, isForgotten: () => boolean): Promise<void> {
  await victim.within(async ({ engine, node }) => {
    const copies = await storedCopies(engine, node.database.cluster.topology.ring.partitions());
    const batch = new WriteBatch();
    for (const stored of copies.values()) {
      for (const { storageKey } of stored) if (isForgotten()) batch.delete(storageKey);
    }
    await engine.write(batch, 'synced');
  });
}
