/**
 * Finds a race under a seed: two clients add to one counter by reading and then writing it.
 * Run it twice: the same seeds lose the same updates.
 */
import { runScenario, type Scenario } from 'hale/simulator';

const lostUpdate: Scenario = {
  name: 'lost-update',
  describe: 'two clients that read, wait and write lose an update',
  async run(world) {
    world.work.atLeast('additions', 2);
    let counter = 0;
    const add = async (client: string): Promise<void> => {
      const { timers, random } = world.node(client).environment;
      const pause = (): Promise<void> =>
        new Promise((resolve) => timers.after(random.fraction() * 10, resolve));
      await pause();
      const read = counter;
      await pause();
      counter = read + 1;
      world.work.add('additions');
    };
    await Promise.all([add('alice'), add('bob')]);
    if (counter !== 2) throw new Error(`two additions made ${counter}`);
  },
};

for (let seed = 1; seed <= 5; seed++) {
  const { failure, hash } = await runScenario(lostUpdate, seed);
  console.log(`seed ${seed}: ${failure?.message ?? 'fine'} (history ${hash})`);
}
