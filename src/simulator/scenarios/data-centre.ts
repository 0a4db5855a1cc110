/**
 * A data centre in which things break: 5.2 devices and 40.8 links a day, of which half are repaired within five
 * minutes and some take a week, as Gill, Jain and Nagappan counted them (Understanding Network Failures in Data
 * Centers, SIGCOMM 2011; theirs had far more of both, so this one is sick). It prints how many requests were answered
 * with sloppy quorums and with strict ones, of clients that can reach some node.
 *
 * What is real and what is modelled: `abstract-cluster.ts`, `abstract-data.ts`, `abstract-clients.ts`,
 * `switched-network.ts`. A broken device is switched off; a node in it ends, and begins anew with what it stored.
 */
import type { Partition } from '../../core/ring/index.ts';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { AbstractClients, type QuorumKind } from '../workloads/abstract-clients.ts';
import { AbstractCluster, type AbstractNode } from '../workloads/abstract-cluster.ts';
import { AbstractData, type AbstractKey } from '../workloads/abstract-data.ts';
import { linkName, SwitchedNetwork } from '../workloads/switched-network.ts';
import type { World } from '../world.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const shape = { racks: 8, racksInPod: 4, nodesInRack: 5 };
const ringSize = 256;
const n = 3;
const targetN = 4;
const keyCount = 300;
const devicesADay = 5.2;
const linksADay = 40.8;
const repairMsMedian = 5 * minuteMs;
const repairMsMax = 7 * dayMs;
/** Of the logarithm: one repair in some two thousand would take longer than a week. */
const repairSpread = 2.3;
const requestEveryMs = 2 * minuteMs;
const repairEveryMs = 2 * hourMs;
const partitionBytes = 2 ** 30;
const handoffBytesPerMs = 100_000;
const sloppyShareMin = 0.995;

export interface DataCentreOptions {
  readonly name: string;
  readonly days: number;
  readonly seedsInCheck: number;
}

export function dataCentreOf(options: DataCentreOptions): Scenario {
  const { name, days, seedsInCheck } = options;
  return {
    name,
    describe: `in ${days} days of failing switches and links, sloppy quorums answer what strict ones cannot`,
    seedsInCheck,
    async run(world) {
      world.work.atLeast('failed devices', days * devicesADay * 0.15);
      world.work.atLeast('failed links', days * linksADay * 0.4);
      world.work.atLeast('sloppy requests', days * 500);
      world.work.atLeast('keys with all that was acknowledged', keyCount / 2);
      await new DataCentre(world).tell(days);
    },
  };
}

export const dataCentre = dataCentreOf({ name: 'data-centre', days: 1, seedsInCheck: 1 });
export const dataCentreMonth = dataCentreOf({ name: 'data-centre-month', days: 30, seedsInCheck: 0 });

class DataCentre {
  readonly #world: World;
  readonly #random: Prng;
  readonly #names: readonly NodeId[];
  readonly #network: SwitchedNetwork;
  readonly #cluster: AbstractCluster;
  readonly #data: AbstractData;
  readonly #clients: AbstractClients;
  readonly #repairs: Promise<void>[] = [];
  #fingerprint = '';

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.fork('data centre');
    const count = shape.racks * shape.nodesInRack;
    this.#names = Array.from({ length: count }, (_, i) =>
      nodeIdOf(`hale@n${String(i + 1).padStart(2, '0')}`),
    );
    this.#network = new SwitchedNetwork(shape, this.#names);
    const carries = (from: NodeId, to: NodeId): boolean => this.#network.carries(from, to);
    this.#cluster = new AbstractCluster(world, { ringSize, targetN, carries });
    this.#data = new AbstractData(this.#cluster, {
      n,
      bytesOf: () => partitionBytes,
      bytesPerMs: handoffBytesPerMs,
    });
    const keys = Array.from({ length: keyCount }, (_, i): AbstractKey => {
      return { name: `key ${i}`, first: this.#random.below(ringSize) as Partition };
    });
    this.#clients = new AbstractClients(this.#cluster, this.#data, { n, quorum: 2, keys });
  }

  async tell(days: number): Promise<void> {
    await this.#form();
    const { devices, links } = this.#network;
    const endMs = this.#world.nowMs + days * dayMs;
    const linkNames = links.map(([a, b]) => linkName(a, b));
    await Promise.all([
      this.#breakUntil(endMs, 'failed devices', devices, dayMs / devicesADay),
      this.#breakUntil(endMs, 'failed links', linkNames, dayMs / linksADay),
      this.#askUntil(endMs, 'sloppy'),
      this.#askUntil(endMs, 'strict'),
      this.#repairUntil(endMs),
    ]);
    this.#tellAvailability();
    await Promise.all(this.#repairs);
    await this.#world.sleep(hourMs);
    this.#data.exchange(this.#clients.keys);
    this.#clients.checkAcked();
  }

  async #form(): Promise<void> {
    const [first, ...rest] = this.#names;
    this.#cluster.found(first!, this.#network.locationOf(first!));
    for (const node of rest) {
      await this.#cluster.admit(node, this.#network.locationOf(node));
      await this.#cluster.stage({ kind: 'join', node });
    }
    await this.#cluster.commit(new Map(), handoffBytesPerMs);
    while (this.#cluster.state.moves.size > 0) await this.#world.sleep(minuteMs);
    this.#fingerprint = this.#network.fingerprint;
  }

  async #breakUntil(endMs: number, what: string, things: readonly string[], everyMs: number): Promise<void> {
    for (;;) {
      const inMs = this.#random.exponential(everyMs);
      if (this.#world.nowMs + inMs >= endMs) return;
      await this.#world.sleep(inMs);
      this.#world.work.add(what);
      this.#repairs.push(this.#breakAndRepair(this.#random.pick(things)));
    }
  }

  async #breakAndRepair(thing: string): Promise<void> {
    this.#network.break(thing);
    this.#world.record(thing, 'fails');
    this.#changed(thing);
    const forMs = Math.min(repairMsMax, repairMsMedian * exponentialOf(repairSpread * this.#normal()));
    await this.#world.sleep(forMs);
    this.#network.repair(thing);
    this.#world.record(thing, 'is repaired');
    this.#changed(thing);
  }

  /** A link that others stand in for changes nothing for anybody. */
  #changed(thing: string): void {
    const node = this.#cluster.node(thing as NodeId);
    if (node !== undefined) {
      if (this.#network.isBroken(thing)) this.#cluster.crash(node.node);
      else this.#cluster.restart(node.node);
    }
    const { fingerprint } = this.#network;
    if (fingerprint === this.#fingerprint) return;
    this.#fingerprint = fingerprint;
    this.#world.work.add('changes of who reaches whom');
    this.#cluster.networkChanged();
  }

  /** By the central limit: twelve draws, without functions of which the last bits differ between machines. */
  #normal(): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.#random.fraction();
    return sum;
  }

  async #askUntil(endMs: number, kind: QuorumKind): Promise<void> {
    const answers: Promise<void>[] = [];
    while (this.#world.nowMs < endMs) {
      await this.#world.sleep(this.#random.exponential(requestEveryMs));
      answers.push(this.#ask(kind));
    }
    await Promise.all(answers);
  }

  async #ask(kind: QuorumKind): Promise<void> {
    const reached = this.#cluster.nodes.filter((each) => this.#serves(each));
    if (reached.length === 0) {
      this.#world.work.add('times at which clients reach no node');
      return;
    }
    const node = this.#random.pick(reached);
    const { life } = node;
    const isAnswered = await this.#clients.readAndWrite(node, kind);
    if (!isAnswered && (node.life !== life || !this.#serves(node))) return;
    this.#world.work.add(`${kind} requests`);
    if (isAnswered) this.#world.work.add(`${kind} requests answered`);
  }

  #serves({ node, isUp }: AbstractNode): boolean {
    return isUp && this.#network.isReachedByClients(node);
  }

  async #repairUntil(endMs: number): Promise<void> {
    while (this.#world.nowMs < endMs) {
      await this.#world.sleep(repairEveryMs);
      this.#data.exchange(this.#clients.keys);
    }
  }

  #tellAvailability(): void {
    const { work } = this.#world;
    const share = (kind: QuorumKind) =>
      work.done(`${kind} requests answered`) / work.done(`${kind} requests`);
    work.add('sloppy answered in a million', Math.floor(share('sloppy') * 1e6));
    work.add('strict answered in a million', Math.floor(share('strict') * 1e6));
    assert(share('sloppy') >= sloppyShareMin, `sloppy quorums: ${share('sloppy')} answered`);
    assert(share('sloppy') >= share('strict'), 'fallbacks make more requests succeed, not fewer');
  }
}

/** e to the power, by repeated multiplication of a series: the same on every machine. */
function exponentialOf(power: number): number {
  const halvings = 10;
  const small = power / 2 ** halvings;
  let value = 1 + small * (1 + (small / 2) * (1 + (small / 3) * (1 + small / 4)));
  for (let i = 0; i < halvings; i++) value *= value;
  return value;
}
