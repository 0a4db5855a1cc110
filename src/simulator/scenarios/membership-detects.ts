/**
 * SWIM over the real transport, under what befalls processes and links (docs/internals/liveness.md):
 *   L1. A member that is gone is dead to all within the detection time: below a second when its machine refuses,
 *       two to five otherwise.
 *   L2. Nobody dies who answers somebody: not by a pause of two seconds, not by a link that is cut one way.
 *   L3. Whoever can be reached again is alive again to all, within seconds, and all know the same.
 *   L4. Epochs and attributes reach all within seconds.
 */

import { defaultConfiguration } from '../../config/index.ts';
import {
  LivenessDriver,
  type Reachability,
  swimOptionsOf,
  TcpMessenger,
  transportLimits,
} from '../../core/index.ts';
import { type Environment, type NodeId, nodeIdOf } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { carryOutFaults, networkFaults, processFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Scenario } from '../scenario.ts';
import type { World } from '../world.ts';

const port = 7000;
const stormMs = 20_000;
const refusedMsMax = 1000;
const silentMsMin = 2050;
const silentMsMax = 5000;
/** A peer that was away is dialled anew after at most three seconds, and may have been held for flapping. */
const returnMsMax = 20_000;

export const membershipDetects: Scenario = {
  name: 'membership-detects',
  describe: 'who is gone is found in time, and nobody dies who still answers somebody',
  seedsInCheck: 2,
  async run(world) {
    for (const count of [2, 3, 5]) await new MembershipStory(world, count).tell();
  },
};

interface Sighting {
  readonly atMs: number;
  readonly by: string;
  readonly of: string;
  readonly reachability: Reachability;
}

class MembershipStory {
  readonly #world: World;
  readonly #names: readonly string[];
  readonly #drivers = new Map<string, LivenessDriver>();
  readonly #epochs = new Map<string, number>();
  #sightings: Sighting[] = [];

  constructor(world: World, count: number) {
    this.#world = world;
    this.#names = Array.from({ length: count }, (_, i) => `n${i}@${count}-${i}`);
    for (const work of ['killed', 'cut off', 'paused', 'partitioned', 'cut one way'])
      world.work.atLeast(work, 2);
    world.work.atLeast('faults', 5);
  }

  async tell(): Promise<void> {
    for (const name of this.#names) {
      this.#world.node(name).boot((environment) => this.#run(environment, name));
    }
    await this.#within(returnMsMax, 'all meet', () => this.#areAllAlive());
    await this.#spreadWords();
    await this.#loseOne('kill');
    await this.#loseOne('crash');
    await this.#pauseOne();
    if (this.#names.length > 2) await this.#cutOneWay();
    await this.#partition();
    await this.#storm();
    for (const name of this.#names) this.#world.node(name).kill();
  }

  async #run(environment: Environment, name: string): Promise<void> {
    const configuration = defaultConfiguration();
    const members = new Map(this.#names.map((each) => [nodeIdOf(each), memberOf(each)]));
    const messenger = new TcpMessenger({
      environment,
      network: environment.network,
      identity: {
        node: nodeIdOf(name),
        instance: name,
        clusterId: 'cluster',
        generation: 1,
        capabilities: new Map(),
      },
      secret: 'secret',
      limits: transportLimits(configuration),
    });
    const driver = new LivenessDriver({
      environment,
      messenger,
      options: swimOptionsOf(configuration),
      position: () => ({ generation: 1, epoch: this.#epochOf(name) }),
      epochSeen: (_from, _generation, epoch) => {
        if (epoch <= this.#epochOf(name)) return;
        this.#epochs.set(name, epoch);
        driver.epochChanged();
      },
    });
    this.#drivers.set(name, driver);
    messenger.setPeers(members);
    messenger.setReachability((peer) => driver.reachability(peer) !== 'dead');
    await messenger.listen({ host: '0.0.0.0', port });
    const seen = new Map<NodeId, Reachability>();
    driver.onChange(() => this.#look(name, driver, seen));
    driver.setMembers(members.keys());
  }

  #look(by: string, driver: LivenessDriver, seen: Map<NodeId, Reachability>): void {
    for (const of of this.#names) {
      const node = nodeIdOf(of);
      const reachability = driver.reachability(node);
      if (seen.get(node) === reachability) continue;
      seen.set(node, reachability);
      this.#sightings.push({ atMs: this.#world.nowMs, by, of, reachability });
      this.#world.record(by, 'sees', `${of} ${reachability}`);
    }
  }

  /** L4. */
  async #spreadWords(): Promise<void> {
    const speaker = this.#world.random.pick(this.#names);
    this.#epochs.set(speaker, 7);
    this.#driver(speaker).epochChanged();
    for (const name of this.#names) this.#driver(name).setHasStrays(false);
    await this.#within(2000, 'L4: epochs and attributes reach all', () =>
      this.#names.every(
        (name) =>
          this.#epochOf(name) === 7 &&
          this.#names.every((other) => !this.#driver(name).hasStrays(nodeIdOf(other))),
      ),
    );
  }

  /** L1, L3. */
  async #loseOne(how: 'kill' | 'crash'): Promise<void> {
    const { victim, others } = this.#pick();
    const atMs = await this.#quiet();
    this.#world.node(victim)[how]();
    this.#world.work.add(how === 'kill' ? 'killed' : 'cut off');
    const isDead = (): boolean => others.every((name) => this.#sees(name, victim) === 'dead');
    await this.#within(how === 'kill' ? refusedMsMax : silentMsMax, `L1: ${how} is found`, isDead);
    const firstMs = Math.min(...this.#deaths().map((death) => death.atMs)) - atMs;
    if (how === 'crash') assert(firstMs >= silentMsMin, `L2: ${firstMs} ms of silence are a pause`);
    this.#onlyDead((death) => death.of === victim);
    this.#world.node(victim).restart();
    await this.#within(returnMsMax, `L3: back after ${how}`, () => this.#areAllAlive());
    const hasForgotten = (): boolean =>
      others.every((name) => this.#driver(name).hasStrays(nodeIdOf(victim)));
    await this.#within(2000, 'L4: a new life may hold strays', hasForgotten);
    this.#driver(victim).setHasStrays(false);
  }

  /** L2: two seconds are nothing. After more, the sleeper condemns nobody. */
  async #pauseOne(): Promise<void> {
    const { victim } = this.#pick();
    for (const forMs of [2000, 2000, 15_000]) {
      await this.#quiet();
      this.#world.node(victim).pause();
      this.#world.work.add('paused');
      await this.#world.sleep(forMs);
      if (forMs === 2000) this.#onlyDead(() => false);
      this.#world.node(victim).resume();
      await this.#within(returnMsMax, 'L3: awake again', () => this.#areAllAlive());
      this.#onlyDead((death) => forMs > 2000 && death.of === victim);
    }
  }

  /** L2: the two do not reach each other; to all others both live. */
  async #cutOneWay(): Promise<void> {
    const { victim, others } = this.#pick();
    const other = this.#world.random.pick(others);
    await this.#quiet();
    this.#world.work.add('cut one way');
    const heal = this.#world.network.cut(this.#world.node(victim).host, this.#world.node(other).host);
    const pair = [victim, other];
    await this.#world.sleep(25_000);
    this.#onlyDead(({ by, of }) => pair.includes(by) && pair.includes(of));
    assert(this.#deaths().length === 2, 'L1: each of the two knows that it does not reach the other');
    heal();
    await this.#within(returnMsMax, 'L3: the link is whole', () => this.#areAllAlive());
  }

  async #partition(): Promise<void> {
    const { victim, others } = this.#pick();
    const side = [victim, ...others.slice(0, this.#names.length - 3)];
    await this.#quiet();
    this.#world.work.add('partitioned');
    const rest = this.#names.filter((name) => !side.includes(name));
    const hosts = (names: readonly string[]) => names.map((name) => this.#world.node(name).host);
    const heal = this.#world.network.partition([hosts(side), hosts(rest)]);
    const isAcross = (by: string, of: string): boolean => side.includes(by) !== side.includes(of);
    await this.#within(20_000, 'L1: the other side is gone', () =>
      this.#everyPair((by, of) => this.#sees(by, of) === (isAcross(by, of) ? 'dead' : 'alive')),
    );
    await this.#world.sleep(5000);
    heal();
    await this.#within(returnMsMax, 'L3: the sides meet', () => this.#areAllAlive());
    await this.#world.sleep(5000);
    this.#onlyDead(({ by, of }) => isAcross(by, of));
  }

  async #storm(): Promise<void> {
    await this.#quiet();
    const plan = randomFaultPlan(this.#world.random.fork(`storm of ${this.#names.length}`), {
      nodes: this.#names,
      kinds: [...networkFaults, ...processFaults, 'clock-jump'],
      untilMs: stormMs,
      gapMsMean: 1000,
      durationMsMean: 2000,
    });
    await carryOutFaults(this.#world, plan);
    await this.#within(60_000, 'L3: calm after the storm', () => this.#areAllAlive());
    await this.#world.sleep(10_000);
    this.#sightings = [];
    await this.#world.sleep(20_000);
    this.#onlyDead(() => false);
  }

  /** Begins to watch, when what came before is over. Returns the time. */
  async #quiet(): Promise<number> {
    // Longer than a flap is remembered: each act stands for itself.
    await this.#world.sleep(61_000);
    assert(this.#areAllAlive(), 'L2: nobody dies in peace');
    this.#sightings = [];
    return this.#world.nowMs;
  }

  #onlyDead(isAllowed: (death: Sighting) => boolean): void {
    for (const death of this.#deaths()) {
      assert(isAllowed(death), `L2: ${death.of} is dead to ${death.by} at ${death.atMs.toFixed(0)}`);
    }
  }

  #deaths(): readonly Sighting[] {
    return this.#sightings.filter(({ reachability }) => reachability === 'dead');
  }

  #pick(): { readonly victim: string; readonly others: readonly string[] } {
    const victim = this.#world.random.pick(this.#names);
    return { victim, others: this.#names.filter((name) => name !== victim) };
  }

  #areAllAlive(): boolean {
    return this.#everyPair((by, of) => this.#sees(by, of) === 'alive');
  }

  #everyPair(holds: (by: string, of: string) => boolean): boolean {
    return this.#names.every((by) => this.#names.every((of) => by === of || holds(by, of)));
  }

  async #within(msMax: number, what: string, isSo: () => boolean): Promise<void> {
    const until = this.#world.nowMs + msMax;
    while (!isSo()) {
      assert(this.#world.nowMs < until, `${what} within ${msMax} ms, of ${this.#names.length}`);
      await this.#world.sleep(10);
    }
    this.#world.work.add('found in time');
  }

  #sees(by: string, of: string): Reachability | undefined {
    return this.#drivers.get(by)?.reachability(nodeIdOf(of));
  }

  #driver(name: string): LivenessDriver {
    return this.#drivers.get(name)!;
  }

  #epochOf(name: string): number {
    return this.#epochs.get(name) ?? 1;
  }
}

function memberOf(name: string): {
  readonly address: { host: string; port: number };
  readonly instance: string;
} {
  return { address: { host: name.slice(name.indexOf('@') + 1), port }, instance: name };
}
