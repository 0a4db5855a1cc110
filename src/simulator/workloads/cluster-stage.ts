/**
 * A whole cluster of real nodes in one world: founded, joined, changed and brought to rest through the same calls as
 * people's commands make.
 */
import type { Configuration } from '../../config/index.ts';
import {
  type Cluster,
  type ClusterCommand,
  type ClusterState,
  commitPlanned,
  type ProposeOutcome,
  planChanges,
  type StagedChange,
  stateDigest,
} from '../../core/index.ts';
import type { Environment } from '../../environment/index.ts';
import type { BucketPropertyChanges, ExchangeStatus } from '../../kv/index.ts';
import type { OpenSandbox } from '../../sandbox/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import type { StorageEngine } from '../../storage/index.ts';
import type { Prng } from '../prng.ts';
import { quietDisk } from '../simulated-disk.ts';
import type { World } from '../world.ts';
import { clusterPort } from './cluster-configuration.ts';
import { ClusterMember, type ServingMember } from './cluster-member.ts';
import { FormedCluster } from './formed-cluster.ts';
import { drawnLogEngine, type SimulatedEngine } from './simulated-engine.ts';

export interface ClusterStageOptions {
  readonly nodes: number;
  /** What all nodes have; names, hosts and locations are the stage's. */
  readonly configuration: Configuration;
  /** The location of the node with this number. */
  readonly locationOf?: (index: number) => string;
  readonly startsMayFail?: boolean;
  /** Nodes find on their disks that they have joined, where forming a cluster would be most of a run. */
  readonly isFormed?: boolean;
  /** Nodes have several storage backends, but for some. */
  readonly haveBackends?: boolean;
  readonly wrapEngine?: EngineWrapping;
  /** For each life of a node; absent: JavaScript of users is not run. */
  readonly openSandbox?: (environment: Environment, name: string) => OpenSandbox;
}

/** What stands between the database and its engine in a life of the named node. */
export type EngineWrapping = (engine: StorageEngine, name: string, environment: Environment) => StorageEngine;

/** The node that was asked is behind, or the work is done. */
type NoCommand = 'unknown yet' | 'nothing left';

const pollMs = 50;
const proposeMs = 10_000;
const proposalsMax = 30;
const againMs = 200;
const planInputs = { bytesOf: new Map(), bytesPerSecond: 1e6, replicas: 3 };

export class ClusterStage {
  readonly world: World;
  /** All that ever were, in the order of their numbers. */
  readonly #members: ClusterMember[] = [];
  readonly #gone = new Set<ClusterMember>();
  readonly #options: ClusterStageOptions;
  readonly #random: Prng;
  readonly #digests = new WeakMap<ClusterState, string>();

  constructor(world: World, options: ClusterStageOptions) {
    this.world = world;
    this.#random = world.random.fork('stage');
    this.#options = options;
  }

  /** Those that have not left. */
  get members(): readonly ClusterMember[] {
    return this.#members.filter((member) => !this.#gone.has(member));
  }

  /** Nodes that serve, and are neither about to join nor about to leave: where nothing fails they refuse nothing. */
  get settledMembers(): readonly ClusterMember[] {
    return this.members.filter((member) => {
      if (!member.isServing) return false;
      const { members } = this.state(member);
      return members.size > 1 && members.get(member.id)?.status === 'valid';
    });
  }

  /** Settled members, and those that are down: whom a client asks that hears of joins and leaves, and not of failures. */
  get settledOrDownMembers(): readonly ClusterMember[] {
    const settled = this.settledMembers;
    return this.members.filter((member) => !member.isServing || settled.includes(member));
  }

  /** All but newcomers that are a cluster of their own still, and know nothing of the properties of this one's buckets. */
  get knownMembers(): readonly ClusterMember[] {
    return this.members.filter((member) => !member.isServing || this.state(member).members.size > 1);
  }

  get names(): readonly string[] {
    return this.members.map(({ name }) => name);
  }

  /** A node that serves. */
  get anyone(): ClusterMember {
    const found = this.members.find(({ isServing }) => isServing);
    if (found === undefined) throw new Error('no node serves');
    return found;
  }

  /** As the named node knows it; by default any that serves. */
  state(member: ClusterMember = this.anyone): ClusterState {
    return member.present.node.database.cluster.log.state;
  }

  /** Founds a cluster of all nodes, and waits until each owns its share. */
  async form(): Promise<void> {
    const { nodes, isFormed } = this.#options;
    if (isFormed === true) {
      const numbers = Array.from({ length: nodes }, (_, index) => index + 1);
      const formed = new FormedCluster(
        numbers.map((number) => this.#configurationOf(number)),
        this.#random,
      );
      for (const _ of numbers) this.boot(formed);
      await this.untilSettled();
      return;
    }
    const members = Array.from({ length: nodes }, () => this.boot());
    await this.untilServing(members);
    const [first, ...rest] = members;
    for (const member of rest) await this.join(member, first!);
    if (rest.length > 0) await this.change(rest.map(({ id }) => ({ kind: 'join', node: id })));
    await this.untilSettled();
  }

  /** Begins the life of a new node, which founds a cluster of its own if it is of none. */
  boot(formed?: FormedCluster): ClusterMember {
    const { startsMayFail, wrapEngine, openSandbox } = this.#options;
    const configuration = this.#configurationOf(this.#members.length + 1);
    const name = configuration.nodename;
    const member = new ClusterMember(this.world, {
      configuration,
      formed,
      engine: this.#drawnEngine(name),
      startsMayFail: startsMayFail ?? false,
      wrapEngine: (engine, environment) => wrapEngine?.(engine, name, environment) ?? engine,
      openSandbox: openSandbox && ((environment) => openSandbox(environment, name)),
    });
    this.#members.push(member);
    member.boot();
    return member;
  }

  #configurationOf(index: number): Configuration {
    const { configuration, locationOf } = this.#options;
    const host = `10.0.0.${index}`;
    return {
      ...configuration,
      nodename: `hale${index}@${host}`,
      location: locationOf?.(index) ?? '',
      'listener.cluster.internal': { host, port: clusterPort },
    };
  }

  /** One node in four has the log engine: also in one cluster engines may differ. */
  #drawnEngine(name: string): SimulatedEngine {
    const random = this.world.random.fork(`engine of ${name}`);
    const drawn = random.chance(0.25) ? 'log' : 'memory';
    const journal = { kind: 'memory', compactionDeadBytesMin: 1_000_000 } as const;
    const single = (this.world.engine ?? drawn) === 'log' ? drawnLogEngine(random) : journal;
    const { haveBackends, configuration } = this.#options;
    if (haveBackends !== true || random.chance(0.25)) return single;
    const beside = random.chance(0.5) ? drawnLogEngine(random) : journal;
    return { kind: 'multi', home: single, beside, ringSize: configuration.ring_size };
  }

  /** Enters `member` in the cluster of `seed`, as `hale cluster join` does. */
  async join(member: ClusterMember, seed: ClusterMember): Promise<void> {
    for (let attempt = 0; attempt < proposalsMax; attempt++) {
      const outcome = await member.within(({ node }) =>
        node.database.cluster.join({ host: seed.process.host, port: clusterPort }),
      );
      if (typeof outcome !== 'string') {
        if (outcome.kind === 'joined' || outcome.kind === 'already') return;
        if (outcome.kind === 'refused') throw new Error(`${member.name} may not join: ${outcome.reason}`);
      }
      await this.world.sleep(againMs);
    }
    throw new Error(`${member.name} could not join`);
  }

  /**
   * Stages the changes, plans, and commits the plan: the whole of it once, whatever happens to the nodes. Returns an epoch by
   * which it is committed.
   */
  async change(changes: readonly StagedChange[]): Promise<number> {
    let staged = 0;
    for (const change of changes) staged = await this.agree({ kind: 'stage', change });
    for (let attempt = 0; attempt < proposalsMax; attempt++) {
      const outcome = await this.#propose((state) => {
        if (state.epoch < staged) return 'unknown yet';
        if (state.staged.length === 0) return 'nothing left';
        const plan = planChanges(state, planInputs);
        if (plan.kind === 'planned') return commitPlanned(plan.plan, true);
        throw new Error(`no plan can be made: ${plan.refusal.reason}`);
      });
      if (outcome === 'nothing left') return this.state().epoch;
      if (outcome === 'unknown yet' || outcome === undefined) {
        await this.world.sleep(againMs);
        continue;
      }
      if (outcome.kind === 'applied') return outcome.epoch;
      if (outcome.kind === 'refused' && outcome.refusal.code !== 'plan_outdated') {
        throw new Error(`the commit was refused: ${outcome.refusal.reason}`);
      }
      await this.world.sleep(againMs);
    }
    throw new Error('the cluster could not agree on a commit');
  }

  /** Proposes until it is agreed, perhaps twice. Returns its epoch. */
  async agree(command: ClusterCommand): Promise<number> {
    for (let attempt = 0; attempt < proposalsMax; attempt++) {
      const outcome = await this.#propose(() => command);
      assert(typeof outcome !== 'string', 'there is a command');
      if (outcome?.kind === 'applied') return outcome.epoch;
      if (outcome?.kind === 'refused') throw new Error(`refused: ${outcome.refusal.reason}`);
      await this.world.sleep(againMs);
    }
    throw new Error(`the cluster could not agree on ${command.kind}`);
  }

  /** Who was told to leave has nothing any more and is no member: its process ends. */
  async untilGone(member: ClusterMember, msMax = 600_000): Promise<void> {
    await this.until(
      `${member.name} is gone`,
      () => this.members.every((one) => one === member || !this.#knows(one, member)),
      msMax,
    );
    this.retire(member);
  }

  /** Ends the node for good. */
  retire(member: ClusterMember): void {
    if (member.process.isUp) member.end('kill');
    this.#gone.add(member);
  }

  /** Mends whatever is broken. */
  async mend(): Promise<void> {
    for (const { process } of this.members) {
      process.disk.conditions = quietDisk;
      process.resume();
      if (!process.isUp) process.restart();
    }
    await this.untilServing();
  }

  /** Sets them for a bucket of the default type, and waits until every node has them. */
  async setProperties(bucket: string, properties: BucketPropertyChanges): Promise<void> {
    const address = { bucketType: byteLiteral('default'), bucket: byteLiteral(bucket) };
    await this.anyone.within(({ node }) => node.store.setProperties(address, properties));
    const wanted = Object.entries(properties);
    const isKnown = ({ present }: ClusterMember): boolean => {
      const known: Partial<Record<string, unknown>> = { ...present.node.store.properties(address) };
      return wanted.every(([name, value]) => known[name] === value);
    };
    await this.until(`properties of ${bucket} are known`, () => this.members.every(isKnown), 60_000);
  }

  async untilServing(members: readonly ClusterMember[] = this.members): Promise<void> {
    await this.until('all nodes serve', () => members.every(({ isServing }) => isServing), 120_000);
  }

  /** All follow the same state, every member is valid, nothing moves. */
  async untilSettled(msMax = 600_000): Promise<void> {
    await this.until('the cluster has settled', () => this.isSettled(), msMax);
  }

  isSettled(): boolean {
    const { members } = this;
    if (!members.every(({ isServing }) => isServing)) return false;
    const states = members.map((member) => this.state(member));
    const [first] = states;
    if (first === undefined || first.moves.size > 0 || first.members.size !== members.length) return false;
    if (!members.every(({ id }) => first.members.get(id)?.status === 'valid')) return false;
    if (!states.every((state) => state.epoch === first.epoch)) return false;
    const digest = this.#digestOf(first);
    return states.every((state) => this.#digestOf(state) === digest);
  }

  /**
   * Waits until nothing is under way: the cluster is settled, no node holds what belongs to another, and all replicas
   * were compared after `untilQuiet` was called and found to be the same.
   */
  async untilQuiet(msMax = 1_200_000): Promise<void> {
    await this.untilSettled(msMax);
    let since = this.world.nowMs;
    const isQuiet = (): boolean => {
      const nodes = this.members.map(({ serving }) => serving);
      if (!this.isSettled() || nodes.some((node) => node === undefined || workOf(node) !== undefined)) {
        // What is handed over now may differ from what was compared before.
        since = this.world.nowMs;
        return false;
      }
      const restMs = this.world.nowMs - since;
      return nodes.every((node) => node !== undefined && differenceOf(node, restMs) === undefined);
    };
    await this.until('the cluster is quiet', isQuiet, msMax);
    this.world.work.add('times of quiet');
  }

  /** Looks now and then whether `holds`; fails the run if it does not within `msMax`. */
  async until(what: string, holds: () => boolean, msMax: number): Promise<void> {
    const end = this.world.nowMs + msMax;
    let waitMs = pollMs;
    while (!holds()) {
      if (this.world.nowMs > end) throw new Error(`in vain: ${what}; ${this.picture()}`);
      await this.world.sleep(waitMs);
      waitMs = Math.min(500, waitMs * 1.2);
    }
  }

  /** For whoever reads a failure. */
  picture(): string {
    const nodes = this.members.map((member) => {
      const { serving } = member;
      if (serving === undefined) return `${member.name} ${member.process.isUp ? 'starts' : 'is down'}`;
      const { cluster, antiEntropy } = serving.node.database;
      const { log } = cluster;
      const { state } = log;
      const statuses = [...state.members.values()].map(({ node, status }) => `${node.slice(4, 6)}${status}`);
      const moves = [...state.moves.values()].slice(0, 5).map(({ partition, from, to, stage }) => {
        return `${partition}:${from ?? 'nobody'}>${to}:${stage}`;
      });
      const trees = antiEntropy.status();
      const unlike = trees.exchanges.filter(({ outcome }) => outcome !== 'same');
      return (
        `${member.name}${log.leads ? '*' : ''} at ${state.generation}.${state.epoch} led by ${log.leader}` +
        ` [${statuses.join()}] ${state.moves.size} moves ${moves.join()}` +
        ` unrest: ${workOf(serving) ?? differenceOf(serving, Infinity) ?? 'none'}` +
        ` unlike: ${unlike.slice(0, 3).map(pairText).join()}`
      );
    });
    return nodes.join('; ');
  }

  /** A state never changes: another takes its place. */
  #digestOf(state: ClusterState): string {
    const known = this.#digests.get(state);
    if (known !== undefined) return known;
    const digest = stateDigest(state);
    this.#digests.set(state, digest);
    return digest;
  }

  #knows(one: ClusterMember, other: ClusterMember): boolean {
    return one.serving === undefined || this.state(one).members.has(other.id);
  }

  /** Asks any node that serves. Undefined: it ended before it answered, or there is none. */
  async #propose(
    commandFrom: (state: ClusterState) => ClusterCommand | NoCommand,
  ): Promise<ProposeOutcome | NoCommand | undefined> {
    const serving = this.members.filter(({ isServing }) => isServing);
    if (serving.length === 0) return undefined;
    const outcome = await this.#random.pick(serving).within(async ({ node }) => {
      const { cluster } = node.database;
      const command = commandFrom(cluster.log.state);
      return typeof command === 'string' ? command : cluster.propose(command, proposeMs);
    });
    return outcome === 'down' || outcome === 'gone' ? undefined : outcome;
  }
}

function pairText({ first, partition, peerPartition, outcome }: ExchangeStatus): string {
  return `${first}/${partition}-${peerPartition} ${outcome ?? 'never'}`;
}

/** What goes on at a node that will end by itself; undefined: nothing. */
function workOf({ node }: ServingMember): string | undefined {
  const { cluster, transfers, antiEntropy } = node.database;
  if (transfers.hasStrays) return `strays in ${transfers.strayPartitions().slice(0, 5).join()}`;
  const running = transfers.transfers();
  if (running.length > 0) return `${running.length} transfers`;
  if (!cluster.topology.isSettled) return `not settled: ${doubtsOf(cluster)}`;
  const { partitions } = antiEntropy.status();
  const building = partitions.filter(({ state }) => state === 'building').length;
  return building > 0 ? `${building} trees are being built` : undefined;
}

/** Replicas that were not found to be the same within the last `restMs`. */
function differenceOf({ node }: ServingMember, restMs: number): string | undefined {
  const unlike = node.database.antiEntropy
    .status()
    .exchanges.find(
      ({ outcome, comparedAgoMs }) =>
        outcome !== 'same' || comparedAgoMs === undefined || comparedAgoMs > restMs,
    );
  if (unlike === undefined) return undefined;
  const { first, partition, peerPartition, outcome, comparedAgoMs } = unlike;
  return `replicas ${partition} and ${peerPartition} of ${first}: ${outcome} ${comparedAgoMs} ms ago`;
}

/** Whom a node cannot reach, or thinks to hold what belongs to others. */
function doubtsOf({ log, liveness }: Cluster): string {
  return [...log.state.members.keys()]
    .filter((node) => node !== log.self)
    .map((node) => `${node} ${liveness.reachability(node)}${liveness.hasStrays(node) ? ' with strays' : ''}`)
    .join();
}
