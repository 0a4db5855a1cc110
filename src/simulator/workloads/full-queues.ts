/**
 * Links between nodes that become so slow for a while, mostly one way, that what waits for a peer fills its queue: requests are
 * refused, or served and their replies find no room.
 */
import type { Prng } from '../prng.ts';
import { quietLink } from '../simulated-network.ts';
import type { ClusterStage } from './cluster-stage.ts';

const slowMsMean = 600;
const pauseMsMean = 300;

export class FullQueues {
  readonly #stage: ClusterStage;
  readonly #random: Prng;

  constructor(stage: ClusterStage, random: Prng) {
    this.#stage = stage;
    this.#random = random;
  }

  async strike(): Promise<void> {
    const { world, members } = this.#stage;
    const random = this.#random;
    const hosts = members.map(({ process }) => process.host);
    const from = random.pick(hosts);
    const others = hosts.filter((host) => host !== from);
    const to = random.chance(0.5) ? others : [random.pick(others)];
    const bothWays = random.chance(0.2);
    const slow = { ...quietLink, bytesPerMs: random.pick([0.5, 1, 3]) };
    for (const conditions of [slow, quietLink]) {
      for (const host of to) {
        world.network.setLink(from, host, conditions);
        if (bothWays) world.network.setLink(host, from, conditions);
      }
      await world.sleep(random.exponential(conditions === slow ? slowMsMean : pauseMsMean));
    }
    world.work.add('slow links', to.length);
  }
}
