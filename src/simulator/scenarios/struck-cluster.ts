/** The frame of the scenarios of one capability: clients work while the cluster is struck, then it comes to rest. */
import type { Prng } from '../prng.ts';
import type { ClusterStage } from '../workloads/cluster-stage.ts';
import { StageStrikes, type StrikeKind, type StrikeTimes } from '../workloads/stage-strikes.ts';

export interface StruckWork extends StrikeTimes {
  readonly clients: number;
  /** One client's life until `isOver`. */
  readonly client: (random: Prng, isOver: () => boolean) => Promise<void>;
  readonly strikes: readonly StrikeKind[];
  readonly rounds: number;
  /** Between strikes. */
  readonly pauseMsMean: number;
}

/** When it returns the clients have gone home, all is mended, and nothing is under way. */
export async function workUnderStrikes(stage: ClusterStage, random: Prng, work: StruckWork): Promise<void> {
  const { world } = stage;
  const strikes = new StageStrikes(stage, random, work.strikes, work);
  let isOver = false;
  const working = Array.from({ length: work.clients }, (_, i) =>
    work.client(world.random.fork(`client ${i}`), () => isOver),
  );
  for (let round = 0; round < work.rounds; round += 1) {
    await world.sleep(random.exponential(work.pauseMsMean));
    await strikes.strike();
  }
  isOver = true;
  await Promise.all(working);
  await stage.mend();
  await stage.untilQuiet();
}
