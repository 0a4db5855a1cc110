/**
 * Lives that end at random moments, in all ways. What it finds of bugs that were planted for the purpose,
 * in how many of 25 seeds: syncs left out 25; writes of one turn that do not see each other 25; `>` for
 * `>=` in the write quorum 18, in the read quorum 5; reaping without comparing 17; reads of what is not
 * committed 6.
 */
import { carryOutFaults, processFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import { calmStory, tellStory } from './database-story.ts';

/** Slow enough that a death often falls between a write and its sync. */
const syncMs = 1;

export const nodeCrash: Scenario = {
  name: 'node-crash',
  describe: 'kills, power cuts and clean stops lose no acknowledged write and bring nothing back',
  async run(world) {
    world.work.atLeast('starts', 6);
    world.work.atLeast('requests cut off', 1);
    await tellStory(world, {
      ...calmStory,
      strike: async ({ node, random }) => {
        node.process.disk.conditions = { ...quietDisk, syncMs };
        const startsBefore = world.work.done('starts');
        // A plan may be of pauses alone.
        do {
          const plan = randomFaultPlan(random, {
            nodes: [node.process.name],
            kinds: processFaults,
            untilMs: 100,
            gapMsMean: 20,
            durationMsMean: 5,
          });
          await carryOutFaults(world, plan);
          await node.untilServing();
        } while (world.work.done('starts') === startsBefore);
        if (random.chance(0.5)) await node.restartCleanly();
        else node.restartAfter('kill');
      },
    });
  },
};
