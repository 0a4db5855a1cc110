/**
 * Power cuts in the midst of long writes. Of planted bugs it finds syncs left out in 25 of 25 seeds, reads
 * of what is not committed in 12.
 */
import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import { calmStory, tellStory } from './database-story.ts';

/** Syncs so slow, and values so long, that every power cut tears something. */
const disk = { ...quietDisk, writeMs: 1, syncMs: 3 };
const cuts = 5;

export const tornWrite: Scenario = {
  name: 'torn-write',
  describe: 'power cuts that tear long unsynced writes leave whole batches or nothing',
  async run(world) {
    world.work.atLeast('starts', 10);
    await tellStory(world, {
      ...calmStory,
      valueBytesMax: 3000,
      // An engine that starts again every 40 ms, with a disk that takes 3 ms for each sync.
      ackedPutsMin: 10,
      strike: async ({ node, random }) => {
        node.process.disk.conditions = disk;
        for (let cut = 0; cut < cuts; cut++) {
          await node.untilServing();
          await world.sleep(random.exponential(40));
          node.restartAfter('crash');
        }
      },
    });
  },
};
