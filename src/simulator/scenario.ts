import type { World } from './world.ts';

export const seedsInCheckUsual = 8;

/**
 * A story to be told with many seeds. `run` boots nodes, works, lets faults strike, and checks; it
 * fails by throwing. It must say, by `world.work.atLeast`, how much work makes a run worth its name.
 */
export interface Scenario {
  readonly name: string;
  /** One sentence: what it would find. */
  readonly describe: string;
  /** Set where `npm run check` has no time for `seedsInCheckUsual` of them. */
  readonly seedsInCheck?: number;
  /**
   * Set on a canary: a scenario with a planted bug, which must be found within so many seeds, and
   * by this message. It shows that the simulator can find anything at all.
   */
  readonly mustFail?: { readonly withinSeeds: number; readonly message: RegExp };
  /** Of a hundred seeds that are asked for without naming the scenario, how many it gets, and one at least. */
  readonly seedsPerHundred?: number;
  /** Takes a minute or more: run only if it is named. */
  readonly isLong?: boolean;
  run(world: World): Promise<void>;
}
