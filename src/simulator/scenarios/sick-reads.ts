/**
 * Replicas that cannot be read for a moment. Of planted bugs it finds in 5 of 25 seeds that a tombstone is
 * reaped while one replica may have an older value.
 */
import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import { calmStory, tellStory, threeCopies } from './database-story.ts';

export const sickReads: Scenario = {
  name: 'sick-reads',
  describe: 'replicas that cannot be read for a moment miss writes and deletes, and catch up',
  async run(world) {
    world.work.atLeast('unreadable copies', 2);
    await tellStory(world, {
      ...calmStory,
      buckets: threeCopies,
      keysPerBucket: 5,
      // A value on the one replica that could be read may be seen, and not be seen by the next read.
      rules: { clockJumps: false, seenMeansKept: false },
      expectedErrors: ['storage', 'quorum_unsatisfied'],
      needsQuorums: true,
      cachesReads: false,
      // The journal takes a value that is refused twice for rotten when it is rolled.
      compacts: false,
      strike: async ({ node, random }) => {
        for (let spell = 0; spell < 3; spell++) {
          node.process.disk.conditions = { ...quietDisk, readFailure: random.pick([0.05, 0.2, 0.4]) };
          await world.sleep(random.exponential(40));
          node.process.disk.conditions = quietDisk;
          await world.sleep(random.exponential(20));
        }
      },
    });
  },
};
