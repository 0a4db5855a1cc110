import { assert } from '../../stdx/index.ts';
import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import { calmStory, type Stage, tellStory } from './database-story.ts';

const fillings = 3;
/** Within it what the log engine has laid claim to beforehand is used up, too. */
const noticeMsMax = 3000;
const valueBytesMax = 2000;

export const fullDisk: Scenario = {
  name: 'full-disk',
  describe: 'without space writes fail clearly and reads go on; with space writes return by themselves',
  async run(world) {
    world.work.atLeast('failed writes', 5);
    world.work.atLeast('reads while full', 10);
    await tellStory(world, {
      ...calmStory,
      operations: 60,
      pauseMsMean: 8,
      valueBytesMax,
      expectedErrors: ['storage', 'quorum_unsatisfied'],
      startsMayFail: true,
      // A disk that is full may leave replicas apart in the middle of an object.
      needsQuorums: true,
      strike: async (stage) => {
        const { node, random } = stage;
        for (let filling = 0; filling < fillings; filling++) {
          await world.sleep(random.exponential(50));
          await node.untilServing();
          node.process.disk.leaveFreeBytes(random.below(3000));
          await readWhileFull(stage);
          if (random.chance(0.3)) node.restartAfter(random.pick(['crash', 'kill']));
          await world.sleep(random.exponential(30));
          node.process.disk.conditions = quietDisk;
        }
      },
    });
  },
};

async function readWhileFull({ world, node, clients, random }: Stage): Promise<void> {
  const until = world.nowMs + noticeMsMax;
  const failedBefore = world.work.done('failed writes');
  // The log engine may have begun a new segment, and be healthy again, before anybody looks.
  const isNoticed = (): boolean =>
    node.engine.health.kind === 'failing' || world.work.done('failed writes') > failedBefore;
  while (!isNoticed() && world.nowMs < until) {
    // The clients of the round may have gone home: somebody has to write.
    await clients.run(random, 1);
    // An engine may make room for itself by collecting its garbage: somebody else takes that.
    if (until - world.nowMs < noticeMsMax / 2) node.process.disk.leaveFreeBytes(0);
  }
  if (!isNoticed()) return;
  for (let i = 0; i < 10; i++) {
    const bucket = random.pick(calmStory.buckets);
    const seen = await clients.read(clients.keyOf(bucket, random.below(calmStory.keysPerBucket)));
    assert(seen !== undefined, 'reads go on while the disk is full');
    world.work.add('reads while full');
  }
}
