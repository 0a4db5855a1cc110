/**
 * Growth: from 11 to 80 nodes, three joins a day in one staged plan, load that doubles each week, and a node lost now
 * and then. Every request is answered, the moves stay near the fewest that balance takes, the ring stays
 * balanced with its replicas apart, and what was acknowledged is there in the end.
 *
 * What is real and what is modelled: `abstract-cluster.ts`, `abstract-data.ts`, `abstract-clients.ts`.
 */
import { assessRing, type Partition, type RingNode } from '../../core/ring/index.ts';
import { locationOf } from '../../core/topology/index.ts';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { AbstractClients } from '../workloads/abstract-clients.ts';
import { AbstractCluster, type AbstractNode } from '../workloads/abstract-cluster.ts';
import { AbstractData, type AbstractKey } from '../workloads/abstract-data.ts';
import type { World } from '../world.ts';

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const ringSize = 512;
const n = 3;
const targetN = 4;
const racks = 8;
const firstNodes = 11;
const joinsEachDay = 3;
const keyCount = 400;
const gibibyte = 2 ** 30;
/** Of the whole cluster, each replica counted. */
const firstBytes = 2000 * gibibyte;
/** A node's share of the network for handoff. */
const handoffBytesPerMs = 100_000;
const repairEveryMs = hourMs;
const lossEveryMsMean = 2 * dayMs;
/** Of the nodes that are lost, how many come back. */
const returning = 0.5;
const awayMsMean = 2 * hourMs;
/** At each step of moves. */
const asksAtMoves = 4;
const newsMs = 60;
const movesToFewestMax = 1.1;
const settleMsMax = 20 * hourMs;

export interface GrowthOptions {
  readonly name: string;
  readonly days: number;
  readonly nodesMax: number;
  readonly firstRequestsADay: number;
  readonly seedsInCheck: number;
}

export function growthOf(options: GrowthOptions): Scenario {
  const { name, days, seedsInCheck } = options;
  return {
    name,
    describe: `a cluster grows for ${days} days under load that doubles each week, and answers every request`,
    seedsInCheck,
    async run(world) {
      const joins = Math.min(joinsEachDay * days, options.nodesMax - firstNodes);
      world.work.atLeast('requests answered', options.firstRequestsADay * days * 0.8);
      world.work.atLeast('nodes that joined', joins);
      world.work.atLeast('partitions copied', joins);
      world.work.atLeast('requests refused as moved', joins / 4);
      world.work.atLeast('keys with all that was acknowledged', keyCount / 4);
      await new Growth(world, options).tell();
    },
  };
}

export const growth = growthOf({
  name: 'growth',
  days: 4,
  nodesMax: 80,
  firstRequestsADay: 300,
  seedsInCheck: 2,
});

export const growthMonth = growthOf({
  name: 'growth-month',
  days: 30,
  nodesMax: 80,
  firstRequestsADay: 400,
  seedsInCheck: 0,
});

class Growth {
  readonly #world: World;
  readonly #options: GrowthOptions;
  readonly #random: Prng;
  readonly #cluster: AbstractCluster;
  readonly #data: AbstractData;
  readonly #clients: AbstractClients;
  readonly #lostForGood: NodeId[] = [];
  readonly #askedAtMoves: Promise<void>[] = [];
  #made = 0;
  #moves = 0;
  #movesMin = 0;
  #isOver = false;
  /** One node at a time is away: more is what `data-centre` is about. */
  #isSomebodyAway = false;

  constructor(world: World, options: GrowthOptions) {
    this.#world = world;
    this.#options = options;
    this.#random = world.random.fork('growth');
    this.#cluster = new AbstractCluster(world, { ringSize, targetN, carries: () => true });
    this.#data = new AbstractData(this.#cluster, {
      n,
      bytesOf: () => this.#bytesOfPartition,
      bytesPerMs: handoffBytesPerMs,
    });
    const keys = Array.from({ length: keyCount }, (_, i): AbstractKey => {
      return { name: `key ${i}`, first: this.#random.below(ringSize) as Partition };
    });
    this.#clients = new AbstractClients(this.#cluster, this.#data, { n, quorum: 2, keys });
  }

  async tell(): Promise<void> {
    await this.#form();
    this.#cluster.onAdvance((partitions) => this.#askAt(partitions));
    const endMs = this.#world.nowMs + this.#options.days * dayMs;
    const works = [this.#askUntil(endMs), this.#loseUntil(endMs), this.#repairUntil(endMs)];
    for (let day = 0; day < this.#options.days; day++) {
      const nextMs = this.#world.nowMs + dayMs;
      await this.#workDay();
      await this.#world.sleep(Math.max(0, nextMs - this.#world.nowMs));
    }
    await Promise.all(works);
    await this.#workDay();
    await Promise.all(this.#askedAtMoves);
    this.#isOver = true;
    this.#data.exchange(this.#clients.keys);
    this.#clients.checkAcked();
    this.#world.work.add('moves', this.#moves);
    this.#world.work.add('moves at the least', this.#movesMin);
    this.#world.work.add('nodes in the end', this.#cluster.state.members.size);
    const factor = this.#moves / this.#movesMin;
    assert(factor <= movesToFewestMax, `${this.#moves} moves, ${this.#movesMin} at the least`);
  }

  async #form(): Promise<void> {
    const first = this.#nextName();
    this.#cluster.found(first.node, first.location);
    await this.#joinSome(firstNodes - 1);
    this.#moves = 0;
    this.#movesMin = 0;
  }

  #nextName(): { readonly node: NodeId; readonly location: string } {
    this.#made += 1;
    const number = String(this.#made).padStart(3, '0');
    return { node: nodeIdOf(`hale@n${number}`), location: `rack ${this.#made % racks}` };
  }

  get #bytesOfPartition(): number {
    return (firstBytes / ringSize) * this.#loadFactor;
  }

  get #loadFactor(): number {
    const weeks = Math.floor(this.#world.nowMs / (7 * dayMs));
    return 2 ** weeks;
  }

  /** What an operator does once a day: who is lost for good is removed, three join, in one plan. */
  async #workDay(): Promise<void> {
    const room = this.#options.nodesMax - this.#cluster.state.members.size;
    if (!this.#isOver) await this.#joinSome(Math.min(joinsEachDay, room));
  }

  async #joinSome(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const { node, location } = this.#nextName();
      await this.#cluster.admit(node, location);
      await this.#cluster.stage({ kind: 'join', node });
      this.#world.work.add('nodes that joined');
    }
    for (const node of this.#lostForGood.splice(0)) await this.#cluster.stage({ kind: 'remove', node });
    if (this.#cluster.state.staged.length === 0) return;
    const bytesOf = new Map(
      this.#cluster.state.owners.map((_, i) => [i as Partition, this.#bytesOfPartition]),
    );
    const plan = await this.#cluster.commit(bytesOf, handoffBytesPerMs * 1000);
    this.#moves += plan.moves.length;
    this.#movesMin += plan.movesMin;
    await this.#untilSettled();
    this.#checkRing();
  }

  async #untilSettled(): Promise<void> {
    const endMs = this.#world.nowMs + settleMsMax;
    while (this.#cluster.state.moves.size > 0) {
      assert(this.#world.nowMs < endMs, `${this.#cluster.state.moves.size} moves do not come to an end`);
      await this.#world.sleep(minuteMs);
    }
  }

  #checkRing(): void {
    const { owners, members } = this.#cluster.state;
    const able = [...members.values()]
      .filter(({ status }) => status === 'valid')
      .map((member): RingNode => ({ node: member.node, location: locationOf(member) }));
    const report = assessRing(owners, able, targetN);
    assert(report.imbalance <= 1, `balance: ${report.imbalance} partitions more on one node than on another`);
    assert(report.orphans === 0, 'all partitions are owned by members');
    assert(report.sameNode.count === 0, `${report.sameNode.count} preference lists have a node twice`);
    this.#world.work.add('rings in balance');
  }

  async #askUntil(endMs: number): Promise<void> {
    const answers: Promise<void>[] = [];
    while (this.#world.nowMs < endMs) {
      const everyMs = dayMs / (this.#options.firstRequestsADay * this.#loadFactor);
      await this.#world.sleep(this.#random.exponential(everyMs));
      answers.push(this.#ask());
    }
    await Promise.all(answers);
  }

  /** While the news of a stage travels, clients ask where it matters. */
  #askAt(partitions: readonly Partition[]): void {
    for (let i = 0; i < asksAtMoves; i++) {
      const key = this.#clients.keyAt(this.#random.pick(partitions), ringSize);
      if (key === undefined) continue;
      const inMs = this.#random.between(0, newsMs);
      this.#askedAtMoves.push(this.#world.sleep(inMs).then(() => this.#ask(key)));
    }
  }

  /** Clients know which nodes answer: they do not ask one that is down. */
  async #ask(key?: AbstractKey): Promise<void> {
    const up = this.#cluster.nodes.filter(({ isUp }) => isUp);
    const node = this.#random.pick(up);
    const { life } = node;
    const isAnswered = await this.#clients.readAndWrite(node, 'sloppy', key);
    if (isAnswered) this.#world.work.add('requests answered');
    else if (node.isUp && node.life === life) this.#world.fail(`${node.node} did not answer a request`);
  }

  async #loseUntil(endMs: number): Promise<void> {
    for (;;) {
      const inMs = this.#random.exponential(lossEveryMsMean);
      if (this.#world.nowMs + inMs >= endMs) return;
      await this.#world.sleep(inMs);
      await this.#lose(this.#random.pick(this.#cluster.nodes));
    }
  }

  async #lose({ node, isUp }: AbstractNode): Promise<void> {
    const isMember = this.#cluster.state.members.get(node)?.status === 'valid';
    if (this.#isSomebodyAway || !isMember || !isUp || this.#lostForGood.length > 0) return;
    this.#cluster.crash(node);
    this.#world.work.add('nodes lost');
    if (!this.#random.chance(returning)) {
      this.#world.work.add('nodes lost for good');
      this.#lostForGood.push(node);
      return;
    }
    this.#isSomebodyAway = true;
    await this.#world.sleep(this.#random.exponential(awayMsMean));
    this.#cluster.restart(node);
    this.#isSomebodyAway = false;
  }

  async #repairUntil(endMs: number): Promise<void> {
    while (this.#world.nowMs < endMs) {
      await this.#world.sleep(repairEveryMs);
      this.#data.exchange(this.#clients.keys);
    }
  }
}
