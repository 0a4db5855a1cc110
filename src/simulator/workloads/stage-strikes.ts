/**
 * What strikes a cluster at work, one thing after another: a member dies, is cut off, has its clock jump, joins or leaves.
 * Deaths and cuts are over when the call returns, but for the start of the process and for what nodes still think of each other;
 * after a join partitions still move. So the next strike meets a cluster that has not recovered.
 */
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterMember } from './cluster-member.ts';
import type { ClusterStage } from './cluster-stage.ts';

export type StrikeKind = 'death' | 'cut' | 'partial-cut' | 'clock-jump' | 'join' | 'leave';

export interface StrikeTimes {
  readonly downMsMean: number;
  readonly cutMsMean: number;
}

/** Two clocks differ by twice that at most after a jump of each. */
export const strikeJumpMsMax = 60_000;
/** Fewer cannot hold three replicas apart. */
const nodesMin = 3;
const nodesMax = 6;

export class StageStrikes {
  readonly #world: World;
  readonly #stage: ClusterStage;
  readonly #random: Prng;
  readonly #kinds: readonly StrikeKind[];
  readonly #times: StrikeTimes;

  /** Each kind as often as it stands among `kinds`. */
  constructor(stage: ClusterStage, random: Prng, kinds: readonly StrikeKind[], times: StrikeTimes) {
    this.#world = stage.world;
    this.#stage = stage;
    this.#random = random;
    this.#kinds = kinds;
    this.#times = times;
  }

  async strike(): Promise<void> {
    const member = this.#random.pick(this.#stage.members);
    const kind = this.#random.pick(this.#kinds);
    this.#world.work.add(`strikes of kind ${kind}`);
    switch (kind) {
      case 'death':
        return this.#die(member);
      case 'cut':
        return this.#cutOff(member, this.#othersThan(member));
      case 'partial-cut': {
        // Nodes differ about who is there.
        const others = this.#othersThan(member);
        return this.#cutOff(member, others.slice(0, 1 + this.#random.below(others.length)));
      }
      case 'clock-jump':
        member.process.jumpClock(this.#random.between(-strikeJumpMsMax, strikeJumpMsMax));
        return;
      case 'join':
        return this.join();
      case 'leave':
        return this.leave(member);
    }
  }

  #othersThan(member: ClusterMember): readonly ClusterMember[] {
    return this.#stage.members.filter((other) => other !== member);
  }

  async #die(member: ClusterMember): Promise<void> {
    member.end(this.#random.pick(['kill', 'crash']));
    await this.#world.sleep(this.#random.exponential(this.#times.downMsMean));
    if (!member.process.isUp) member.process.restart();
  }

  async #cutOff(member: ClusterMember, side: readonly ClusterMember[]): Promise<void> {
    const heal = this.#world.network.partition([
      [member.process.host],
      side.map(({ process }) => process.host),
    ]);
    await this.#world.sleep(this.#random.exponential(this.#times.cutMsMean));
    heal();
  }

  async join(): Promise<void> {
    const stage = this.#stage;
    if (stage.members.length >= nodesMax) return;
    await stage.untilServing();
    const seed = stage.anyone;
    const newcomer = stage.boot();
    await stage.untilServing([newcomer]);
    await stage.join(newcomer, seed);
    await stage.change([{ kind: 'join', node: newcomer.id }]);
    this.#world.work.add('joins');
  }

  async leave(member: ClusterMember): Promise<void> {
    const stage = this.#stage;
    if (stage.members.length <= nodesMin) return;
    await stage.untilServing();
    await stage.untilSettled();
    await stage.change([{ kind: 'leave', node: member.id }]);
    await stage.untilGone(member);
    this.#world.work.add('leaves');
  }
}
