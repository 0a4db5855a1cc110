import { carryOutFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Scenario } from '../scenario.ts';
import { calmStory, tellStory } from './database-story.ts';

const hourMs = 3_600_000;

export const clockJump: Scenario = {
  name: 'clock-jump',
  describe: 'a wall clock that jumps an hour both ways decides between siblings at most, never loses one',
  async run(world) {
    world.work.atLeast('jumps of an hour', 3);
    await tellStory(world, {
      ...calmStory,
      rules: { clockJumps: true, seenMeansKept: true },
      strike: async ({ node, random }) => {
        const plan = randomFaultPlan(random, {
          nodes: [node.process.name],
          kinds: ['clock-jump', 'clock-jump', 'clock-drift', 'kill'],
          untilMs: 100,
          gapMsMean: 20,
          durationMsMean: 5,
        });
        const jumps = async (): Promise<void> => {
          for (const byMs of random.pick([
            [hourMs, -hourMs],
            [-hourMs, hourMs],
            [-hourMs, -hourMs],
          ])) {
            await world.sleep(random.exponential(30));
            node.process.jumpClock(byMs);
            world.work.add('jumps of an hour');
          }
        };
        await Promise.all([carryOutFaults(world, plan), jumps()]);
      },
    });
  },
};
