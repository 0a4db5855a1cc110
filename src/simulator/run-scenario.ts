import type { HistoryEvent } from './history.ts';
import type { Scenario } from './scenario.ts';
import { SimulationFailure, World, type WorldEngine } from './world.ts';

export interface RunResult {
  readonly seed: number;
  /** Of everything that happened: equal for two runs of one seed. */
  readonly hash: string;
  readonly failure: SimulationFailure | undefined;
  readonly eventsRun: number;
  readonly virtualMs: number;
  readonly work: string;
  readonly recent: readonly HistoryEvent[];
}

/**
 * Runs a scenario under a seed. `watch` is given the world before it starts, so that the owner of
 * the process can fail it on an unhandled rejection.
 */
export async function runScenario(
  scenario: Scenario,
  seed: number,
  watch?: (world: World) => void,
  engine?: WorldEngine,
): Promise<RunResult> {
  const world = new World({ seed, engine });
  watch?.(world);
  let failure: SimulationFailure | undefined;
  try {
    await world.run(async () => {
      await scenario.run(world);
      const unmet = world.work.unmet();
      if (unmet.length > 0) throw new Error(`too little work: ${unmet.join('; ')}`);
      if (world.work.isEmpty) throw new Error('the scenario does not say how much work it must do');
    });
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    failure = error;
  }
  return {
    seed,
    hash: world.history.hash,
    failure,
    eventsRun: world.eventsRun,
    virtualMs: world.nowMs,
    work: world.work.summary(),
    recent: world.history.recent(),
  };
}
