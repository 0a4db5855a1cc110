import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import { calmStory, tellStory } from './database-story.ts';

export const slowDisk: Scenario = {
  name: 'slow-disk',
  describe: 'writes that time out may be there or not, and what is read of them stays',
  async run(world) {
    world.work.atLeast('errors of code timeout', 5);
    await tellStory(world, {
      ...calmStory,
      timeoutMs: 40,
      operations: 80,
      pauseMsMean: 10,
      expectedErrors: ['timeout'],
      strike: async ({ node, random }) => {
        for (let spell = 0; spell < 3; spell++) {
          const syncMs = random.pick([20, 60, 300]);
          node.process.disk.conditions = { ...quietDisk, syncMs, writeMs: syncMs / 4 };
          await world.sleep(random.exponential(200));
          if (random.chance(0.3)) node.restartAfter(random.pick(['crash', 'kill']));
          node.process.disk.conditions = quietDisk;
          await world.sleep(random.exponential(50));
        }
      },
    });
  },
};
