/** A node whose engine is repaired while it runs: what it held may be gone or older, and it goes on under the same actors if nobody tells. */
import { assert } from '../../stdx/index.ts';
import { StorageError } from '../../storage/index.ts';
import type { Scenario } from '../scenario.ts';
import type { ClusterMember } from '../workloads/cluster-member.ts';
import { RepairedEngine } from '../workloads/repaired-engine.ts';
import { ClusterPlay, calmCluster, faultErrors } from './cluster-story.ts';

export const clusterRepair: Scenario = {
  name: 'cluster-repair',
  describe: 'the engine of a node is repaired in service, and has lost entries: acknowledged writes stay',
  async run(world) {
    const random = world.random.fork('scenario');
    world.work.atLeast('entries lost to a repair', 3);
    const play = await ClusterPlay.begin(world, {
      ...calmCluster,
      nodes: random.pick([3, 4]),
      expectedErrors: faultErrors,
      fixed: { delete_mode: 'keep' },
      client: { keysPerBucket: 4, blindPuts: 50, pauseMsMean: 10, deletes: 5 },
      wrapEngine: (engine) => new RepairedEngine(engine),
    });
    for (let round = 0; round < 3; round++) {
      play.work();
      await world.sleep(random.between(300, 1000));
      await play.stopWork();
      // Every replica has everything: one may lose it.
      await play.stage.untilQuiet();
      const victim = random.pick(play.stage.members);
      // Where nobody asks, anti-entropy alone finds what is missing.
      const work = random.pick(['goes on', 'begins afterwards', 'is over']);
      if (work === 'goes on') play.work();
      const lost = await repair(victim, () => random.pick(['kept', 'older', 'gone']));
      world.work.add('entries lost to a repair', lost);
      if (work === 'begins afterwards') play.work();
      if (work !== 'is over') await world.sleep(random.between(300, 1000));
      await play.rest();
    }
  },
};

async function repair(
  victim: ClusterMember,
  fateOf: Parameters<RepairedEngine['repair']>[0],
): Promise<number> {
  const lost = await victim.within(async ({ engine }) => {
    assert(engine instanceof RepairedEngine, 'the engine of each node can be repaired');
    return engine.repair(fateOf).catch((error: unknown) => {
      if (error instanceof StorageError) return 0;
      throw error;
    });
  });
  return typeof lost === 'number' ? lost : 0;
}
