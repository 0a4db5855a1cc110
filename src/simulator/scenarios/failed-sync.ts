/**
 * Syncs that fail (R57). `failed-sync`: the disk's do, and the journal must roll before it acknowledges
 * again. `refused-batch`: the engine refuses single batches of one write each, so that some replicas of an
 * object take what its coordinator forgot; the dots of such writes must not be issued again.
 *
 * Of planted bugs `refused-batch` finds, in how many of 25 seeds: no new epochs after a failed batch 14;
 * replicas that overwrite instead of merging 12; no read repair 25. One it cannot find: that a queued copy
 * stands in for a write of the same object, since on one node no object is sent twice while it is queued;
 * kv/vnode/uncommitted-copy.test.ts does.
 */
import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import { type Refusals, RefusingEngine } from '../workloads/refusing-engine.ts';
import { calmStory, tellStory } from './database-story.ts';

const bursts = 4;

export const failedSync: Scenario = {
  name: 'failed-sync',
  describe: 'after a failed sync nothing is acknowledged until storage has recovered by itself',
  async run(world) {
    world.work.atLeast('failed writes', 5);
    world.work.atLeast('recoveries', 2);
    await tellStory(world, {
      ...calmStory,
      // A batch may have room for one replica's write alone: then those of one object fail apart from each other.
      needsQuorums: true,
      operations: 60,
      pauseMsMean: 8,
      expectedErrors: ['storage', 'quorum_unsatisfied'],
      startsMayFail: true,
      strike: async ({ node, random }) => {
        const syncFailure = random.pick([0.2, 0.5, 1]);
        for (let burst = 0; burst < bursts; burst++) {
          await world.sleep(random.exponential(40));
          node.process.disk.conditions = { ...quietDisk, syncFailure };
          await world.sleep(random.exponential(60));
          if (random.chance(0.3)) node.restartAfter(random.pick(['crash', 'kill']));
          node.process.disk.conditions = quietDisk;
          await node.untilServing();
          const { engine } = node;
          if (engine.health.kind === 'healthy') continue;
          while (engine.health.kind === 'failing') await world.sleep(10);
          world.work.add('recoveries');
        }
      },
    });
  },
};

export const refusedBatch: Scenario = {
  name: 'refused-batch',
  describe: 'batches that fail alone leave replicas apart, and no dot is issued twice',
  async run(world) {
    world.work.atLeast('refused batches', 10);
    world.work.atLeast('repairs', 5);
    const refusals: Refusals = { probability: 0 };
    const random = world.random.fork('refusals');
    await tellStory(world, {
      ...calmStory,
      expectedErrors: ['storage', 'quorum_unsatisfied'],
      needsQuorums: true,
      startsMayFail: true,
      batches: 'one',
      wrapEngine: (engine) =>
        new RefusingEngine(engine, refusals, random, () => world.work.add('refused batches')),
      strike: async (stage) => {
        refusals.probability = stage.random.pick([0.05, 0.2, 0.5]);
        await world.sleep(stage.random.between(50, 120));
        if (stage.random.chance(0.3)) stage.node.restartAfter('kill');
      },
      heal: async () => {
        refusals.probability = 0;
        await world.sleep(10);
      },
    });
  },
};
