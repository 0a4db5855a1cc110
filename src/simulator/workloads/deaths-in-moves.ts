/** Ends those whom a move concerns, in whatever stage it is, each for a while. */
import type { Move } from '../../core/index.ts';
import type { Prng } from '../prng.ts';
import type { ClusterMember } from './cluster-member.ts';
import type { ClusterStage } from './cluster-stage.ts';

const lookMs = 20;
const firstLookMs = 3;

export class DeathsInMoves {
  readonly #stage: ClusterStage;
  readonly #random: Prng;
  #left: number;
  #ended = 0;
  #isOver = false;

  constructor(stage: ClusterStage, random: Prng, deathsMax: number) {
    this.#stage = stage;
    this.#random = random;
    this.#left = deathsMax;
  }

  stop(): void {
    this.#isOver = true;
  }

  async run(): Promise<void> {
    const stage = this.#stage;
    const revivals: Promise<void>[] = [];
    while (!this.#isOver && this.#left > 0) {
      // Small rings have moved soon: until the first death there is no time to lose.
      await stage.world.sleep(this.#random.exponential(this.#ended === 0 ? firstLookMs : lookMs));
      const serving = stage.members.filter(({ isServing }) => isServing);
      const moves = serving.length === 0 ? [] : [...stage.state(serving[0]).moves.values()];
      // Not all die at once: with two of three away writes may wait.
      if (moves.length === 0 || serving.length < stage.members.length - 1) continue;
      if (this.#ended > 0 && this.#random.chance(0.7)) continue;
      const victim = this.#victimOf(this.#random.pick(moves), serving);
      if (victim !== undefined) revivals.push(this.#end(victim));
    }
    await Promise.all(revivals);
  }

  #victimOf({ from, to, stage }: Move, serving: readonly ClusterMember[]): ClusterMember | undefined {
    const concerned = serving.filter(({ id }) => id === from || id === to);
    const victim =
      this.#random.chance(0.8) && concerned.length > 0 ? this.#random.pick(concerned) : serving[0];
    if (victim !== undefined) this.#stage.world.work.add(`deaths in ${stage}`);
    return victim;
  }

  async #end(victim: ClusterMember): Promise<void> {
    const { world } = this.#stage;
    this.#left -= 1;
    this.#ended += 1;
    world.work.add('deaths in a move');
    victim.end(this.#random.pick(['crash', 'kill']));
    await world.sleep(this.#random.pick([50, 500, 5000]));
    // Who left has gone meanwhile.
    const isWanted = this.#stage.members.includes(victim);
    if (isWanted && !victim.process.isUp) victim.process.restart();
  }
}
