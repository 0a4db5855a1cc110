/**
 * The cluster log of a thousand nodes: an entry reaches all of them within seconds, a plan is carried out, and what a
 * node says in a second, or of a change, does not grow with the cluster. (`membership-thousand` says the same of
 * liveness.)
 *
 * Real: every node's `ReplicatedClusterLog` with its journal: consensus among the voters, who are chosen by the leader,
 * pulls, notices, acknowledgements, the stage driver. Modelled: messages (`abstract-messenger.ts`), liveness (all are
 * alive), the data (there is none: an owner is done as soon as it is asked), and the past: all begin as members.
 */

import { Buffer } from 'node:buffer';
import {
  type ClusterState,
  channel,
  commitPlanned,
  defaultClusterLogOptions,
  foundCluster,
  groupOfOne,
  type LivenessView,
  LogJournal,
  type Member,
  type ProposeOutcome,
  planChanges,
  ReplicatedClusterLog,
  stateDigest,
} from '../../core/index.ts';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import type { Scenario } from '../scenario.ts';
import { type AbstractMessenger, AbstractMessengers } from '../workloads/abstract-messenger.ts';
import type { World } from '../world.ts';

const ringSize = 1024;
const targetN = 4;
const clusterId = 'a thousand';
const leaving = 3;
const idleMs = 10_000;
const settleMsMax = 60_000;
const entryMsMax = 3000;
const planMsMax = 60_000;
const lookMs = 20;
/** Names get longer, and the more nodes, the more often one hears the same from two. */
const growthMax = 1.3;

const everyoneLives: LivenessView = {
  reachability: () => 'alive',
  hasStrays: () => false,
  onChange: () => undefined,
};

export interface ThousandOptions {
  readonly name: string;
  readonly few: number;
  readonly many: number;
  readonly seedsInCheck: number;
}

export function topologyOf({ name, few, many, seedsInCheck }: ThousandOptions): Scenario {
  return {
    name,
    describe: `${many} nodes agree on the topology and say no more each than ${few} do`,
    seedsInCheck,
    async run(world) {
      world.work.atLeast(`entries followed by each of ${many}`, 1);
      world.work.atLeast('members that left', 2 * leaving);
      const small = await new Crowd(world, few).tell();
      const large = await new Crowd(world, many).tell();
      assert(
        large.entryBytes <= growthMax * small.entryBytes,
        `${large.entryBytes} bytes of each of ${many} for an entry, ${small.entryBytes} of each of ${few}`,
      );
      assert(large.idleBytes <= growthMax * small.idleBytes + 1, 'silence does not grow with the cluster');
    },
  };
}

export const topologyHundred = topologyOf({ name: 'topology-hundred', few: 25, many: 100, seedsInCheck: 1 });
export const topologyThousand = topologyOf({
  name: 'topology-thousand',
  few: 100,
  many: 1000,
  seedsInCheck: 0,
});

interface Fellow {
  readonly log: ReplicatedClusterLog;
  readonly messenger: AbstractMessenger;
}

class Crowd {
  readonly #world: World;
  readonly #count: number;
  readonly #messengers: AbstractMessengers;
  readonly #fellows = new Map<NodeId, Fellow>();

  constructor(world: World, count: number) {
    this.#world = world;
    this.#count = count;
    this.#messengers = new AbstractMessengers(world);
  }

  /** Bytes of each node: in an idle second, and for one entry. */
  async tell(): Promise<{ readonly idleBytes: number; readonly entryBytes: number }> {
    const nodes = Array.from({ length: this.#count }, (_, i) =>
      nodeIdOf(`hale@c${this.#count}-${String(i).padStart(4, '0')}`),
    );
    const state = stateOf(nodes);
    await Promise.all(nodes.map((node) => this.#open(node, state)));
    for (const { log } of this.#fellows.values()) log.start();
    await this.#until('voters are chosen', settleMsMax, () => this.#hasVoters());
    const idleBytes = await this.#bytesOf('an idle second', async () => {
      await this.#world.sleep(idleMs);
      return idleMs / 1000;
    });
    const entryBytes = await this.#bytesOf('an entry', () => this.#register());
    await this.#bytesOf('a plan', () => this.#leaveSome(nodes.slice(-leaving)));
    await Promise.all([...this.#fellows.values()].map(({ log }) => log.close()));
    return { idleBytes, entryBytes };
  }

  async #open(node: NodeId, state: ClusterState): Promise<void> {
    const { environment } = this.#world.node(node.slice('hale@'.length));
    const journal = await LogJournal.open(environment);
    const identity = { node, instance: instanceOf(node), clusterId, isRemoved: false };
    const isFounder = node === state.owners[0];
    const group = isFounder ? groupOfOne(state, node, environment.random) : [{ kind: 'no-replica' } as const];
    await new Promise<void>((resolve, reject) => {
      journal.write([{ kind: 'identity', identity }, ...group, { kind: 'state', state }], (error) => {
        if (error === undefined) resolve();
        else reject(error);
      });
    });
    const messenger = this.#messengers.of(node);
    const options = defaultClusterLogOptions;
    const log = new ReplicatedClusterLog({
      environment,
      messenger,
      journal,
      liveness: everyoneLives,
      options,
    });
    // Who follows an epoch tells it with each of its probes; here nobody probes.
    messenger.receive(channel.liveness, () => undefined);
    log.onState(() => this.#work(log));
    log.onRemoved(() => this.#messengers.remove(node));
    this.#fellows.set(node, { log, messenger });
  }

  /** The old owner's part of every move, which is nothing here. */
  #work(log: ReplicatedClusterLog): void {
    for (const { partition, from, to, stage } of log.state.moves.values()) {
      if ((from ?? to) !== log.self) continue;
      if (stage === 'copying') log.reportReady([partition], 'verified');
      if (stage === 'released') log.reportReady([partition], 'dropped');
    }
  }

  #hasVoters(): boolean {
    const leader = this.#leader();
    return leader !== undefined && leader.status.voters.length === 7 && this.#areEqual();
  }

  #leader(): ReplicatedClusterLog | undefined {
    return [...this.#fellows.values()].find(({ log }) => log.leads)?.log;
  }

  #areEqual(): boolean {
    const leader = this.#leader();
    if (leader === undefined) return false;
    const digest = stateDigest(leader.state);
    const { epoch } = leader.state;
    // Who has left may not have heard of it: at the door it is told.
    const present = this.#present(leader).filter((log) => log.state.epoch === epoch);
    return (
      present.length === leader.state.members.size &&
      present.every(({ state }) => state === leader.state || stateDigest(state) === digest)
    );
  }

  #present({ state }: ReplicatedClusterLog): readonly ReplicatedClusterLog[] {
    return [...this.#fellows.values()].map(({ log }) => log).filter(({ self }) => state.members.has(self));
  }

  /** One entry, from a node that neither leads nor votes. Returns that it is one. */
  async #register(): Promise<number> {
    const asked = [...this.#fellows.values()].at(-1)!.log;
    const change = { name: byteLiteral('a fact'), value: Buffer.from('its value') };
    const startMs = this.#world.nowMs;
    await agreed(asked.propose({ kind: 'register', changes: [change] }, entryMsMax));
    await this.#until('all follow an entry', entryMsMax, () => this.#areEqual());
    this.#world.work.add(`ms for an entry to ${this.#count}`, Math.round(this.#world.nowMs - startMs));
    this.#world.work.add(`entries followed by each of ${this.#count}`);
    return 1;
  }

  /** Returns how many entries that took. */
  async #leaveSome(nodes: readonly NodeId[]): Promise<number> {
    const { log } = [...this.#fellows.values()][0]!;
    const { epoch } = log.state;
    const startMs = this.#world.nowMs;
    for (const node of nodes) {
      await agreed(log.propose({ kind: 'stage', change: { kind: 'leave', node } }, entryMsMax));
    }
    const outcome = planChanges(log.state, { bytesOf: new Map(), bytesPerSecond: 1, replicas: 3 });
    assert(outcome.kind === 'planned', 'a leave can be planned');
    await agreed(log.propose(commitPlanned(outcome.plan, false), entryMsMax));
    const haveLeft = (): boolean => nodes.every((node) => !log.state.members.has(node));
    await this.#until('who leaves has left', planMsMax, () => haveLeft() && this.#areEqual());
    assert(log.state.members.size === this.#count - nodes.length, 'nobody else left');
    this.#world.work.add('members that left', nodes.length);
    this.#world.work.add(`ms for a plan of ${this.#count}`, Math.round(this.#world.nowMs - startMs));
    return log.state.epoch - epoch;
  }

  async #bytesOf(what: string, work: () => Promise<number>): Promise<number> {
    const sent = (): number => {
      let sum = 0;
      for (const { messenger } of this.#fellows.values()) sum += messenger.sentBytes;
      return sum;
    };
    const before = sent();
    const units = await work();
    const bytes = Math.round((sent() - before) / this.#count / units);
    this.#world.work.add(`bytes of each of ${this.#count} nodes for ${what}`, bytes);
    return bytes;
  }

  async #until(what: string, msMax: number, holds: () => boolean): Promise<void> {
    const endMs = this.#world.nowMs + msMax;
    while (!holds()) {
      assert(this.#world.nowMs < endMs, `in vain: ${what}, of ${this.#count}`);
      await this.#world.sleep(lookMs);
    }
  }
}

function stateOf(nodes: readonly NodeId[]): ClusterState {
  const [first] = nodes;
  const founded = foundCluster({ clusterId, member: memberOf(first!), ringSize, targetN });
  const members = new Map(nodes.map((node) => [node, { ...memberOf(node), status: 'valid' } as const]));
  const owners = founded.owners.map((_, partition) => nodes[partition % nodes.length]!);
  return { ...founded, members, owners };
}

function memberOf(node: NodeId): Member {
  return {
    node,
    instance: instanceOf(node),
    address: { host: node.slice('hale@'.length), port: 7300 },
    location: undefined,
    status: 'joining',
    capabilities: new Map([['objects', 1]]),
  };
}

function instanceOf(node: NodeId): string {
  return Buffer.from(node).toString('hex');
}

async function agreed(proposed: Promise<ProposeOutcome>): Promise<void> {
  const outcome = await proposed;
  if (outcome.kind !== 'applied') throw new Error(`not agreed: ${JSON.stringify(outcome)}`);
}
