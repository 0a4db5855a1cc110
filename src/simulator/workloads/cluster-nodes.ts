/**
 * Processes that take part in a cluster and own partitions of nothing: what their moves would copy is taken for
 * copied at once. All that every one of them ever followed is kept, for the checks.
 */
import { defaultConfiguration } from '../../config/index.ts';
import {
  Cluster,
  type ClusterCommand,
  type ClusterLogOptions,
  type ClusterOptions,
  type ClusterState,
  defaultClusterLogOptions,
  defaultSwimOptions,
  type ProposeOutcome,
  type SwimOptions,
  stateDigest,
  transportLimits,
} from '../../core/index.ts';
import { claimOwners } from '../../core/ring/index.ts';
import { type Address, type Environment, type NodeId, nodeIdOf } from '../../environment/index.ts';
import { WalError } from '../../wal/index.ts';
import type { World } from '../world.ts';

const port = 7300;
const openAgainMs = 300;
const limits = transportLimits(defaultConfiguration());

export interface ClusterNodesOptions {
  readonly ringSize?: number;
  readonly log?: Partial<ClusterLogOptions>;
  readonly liveness?: Partial<SwimOptions>;
  /** Nodes that are in one place: by name. */
  readonly locationOf?: (name: string) => string | undefined;
  /** Says nothing of moves, so that they stay where they are. */
  readonly holdsMoves?: boolean;
}

/** A fact that was registered: seen by whoever folded the entry of that epoch. */
export interface SeenFact {
  readonly name: string;
  readonly value: string | undefined;
}

export class ClusterNodes {
  readonly #world: World;
  readonly #options: ClusterNodesOptions;
  readonly #clusters = new Map<string, Cluster>();
  /** By cluster, generation and epoch: every state that any node ever had. */
  readonly #digests = new Map<string, { readonly digest: string; readonly node: string }>();
  /** By generation and epoch. */
  readonly #facts = new Map<string, readonly SeenFact[]>();
  readonly #epochOfValue = new Map<string, string>();
  /** How far each node has said that it follows, as a leader heard it. */
  readonly #words = new Map<string, { readonly generation: number; readonly epoch: number }>();

  constructor(world: World, options: ClusterNodesOptions = {}) {
    this.#world = world;
    this.#options = options;
  }

  addressOf(name: string): Address {
    return { host: this.#world.node(name).host, port };
  }

  /** The node `name@name`, in a process of that host. */
  boot(name: string, seeds: readonly string[] = []): void {
    const node = this.#world.node(name);
    const { log, ringSize = 16, locationOf } = this.#options;
    node.boot(async (environment) => {
      this.#clusters.delete(name);
      const cluster = await openWhenDiskLets(environment, {
        self: nodeIdOf(name),
        ringSize,
        targetN: 3,
        listen: this.addressOf(name),
        location: locationOf?.(name),
        capabilities: new Map([['objects', 1]]),
        seeds: seeds.map((seed) => this.addressOf(seed)),
        transport: { secret: 'of the simulation', limits },
        liveness: { ...defaultSwimOptions, ...this.#options.liveness },
        log: { ...defaultClusterLogOptions, ...log },
      });
      this.#clusters.set(name, cluster);
      this.#checkWord(name, cluster.log.state);
      this.#saw(name, cluster.log.state);
      cluster.log.onState((state, before) => this.#changed(name, cluster, state, before));
      cluster.liveness.setHasStrays(false);
      this.#work(cluster);
    });
  }

  /** Undefined while the node is off, or has not opened its cluster yet. */
  cluster(name: string): Cluster | undefined {
    return this.#world.node(name).isUp ? this.#clusters.get(name) : undefined;
  }

  opened(): readonly string[] {
    return [...this.#clusters.keys()].filter((name) => this.cluster(name) !== undefined).sort();
  }

  get leader(): string | undefined {
    return this.opened().find((name) => this.cluster(name)!.log.leads);
  }

  /** Waits until `holds`; fails the run if that takes longer than `msMax`. */
  async until(what: string, holds: () => boolean, msMax = 60_000): Promise<void> {
    const end = this.#world.nowMs + msMax;
    while (!holds()) {
      if (this.#world.nowMs > end) throw new Error(`in vain: ${what}; ${this.#picture()}`);
      await this.#world.sleep(20);
    }
  }

  /** Boots all, joins all to the first, and gives each of them its share of the ring. */
  async form(names: readonly string[]): Promise<void> {
    const [first, ...rest] = names;
    this.boot(first!);
    await this.until('the first node opens', () => this.cluster(first!) !== undefined);
    for (const name of rest) this.boot(name, [first!]);
    await this.until('all have joined', () => this.areMembers(names));
    await this.commitJoins(first!, rest);
    await this.until('all own something', () => this.isSettled(names));
  }

  areMembers(names: readonly string[]): boolean {
    return names.every((name) => {
      const members = this.cluster(name)?.log.state.members;
      return members !== undefined && names.every((other) => members.has(nodeIdOf(other)));
    });
  }

  /** All members are valid, nothing moves, and all named nodes have the same state. */
  isSettled(names: readonly string[]): boolean {
    const states = names.map((name) => this.cluster(name)?.log.state);
    const [first] = states;
    if (first === undefined || first.moves.size > 0) return false;
    const digest = stateDigest(first);
    return (
      names.every((name) => first.members.get(nodeIdOf(name))?.status === 'valid') &&
      states.every((state) => state !== undefined && stateDigest(state) === digest)
    );
  }

  /** Stages the joins at `at` and commits them with the ring that claim makes of it. */
  async commitJoins(at: string, names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.#surely(at, (cluster) =>
        cluster.propose({ kind: 'stage', change: { kind: 'join', node: nodeIdOf(name) } }, 5000),
      );
    }
    await this.#surely(at, (cluster) => this.commit(cluster, []));
  }

  async commitLeave(at: string, name: string): Promise<void> {
    const node = nodeIdOf(name);
    await this.#surely(at, (cluster) =>
      cluster.propose({ kind: 'stage', change: { kind: 'leave', node } }, 5000),
    );
    await this.#surely(at, (cluster) => this.commit(cluster, [node]));
  }

  /** Plans for what is staged, from what this node knows, and commits the plan. */
  commit(cluster: Cluster, leaving: readonly NodeId[]): Promise<ProposeOutcome> {
    const { state } = cluster.log;
    return cluster.propose(planFor(state, leaving), 5000);
  }

  /** Every entry that was acknowledged is what the nodes saw at its epoch; none was folded twice. */
  checkAcked(acked: readonly { readonly place: string; readonly fact: SeenFact }[]): void {
    for (const { place, fact } of acked) {
      const seen = this.#facts.get(place);
      if (seen === undefined) continue;
      const isThere = seen.some(({ name, value }) => name === fact.name && value === fact.value);
      if (!isThere) throw new Error(`acknowledged and lost: ${fact.name} ${fact.value} at ${place}`);
      this.#world.work.add('acknowledged entries found');
    }
  }

  #changed(name: string, cluster: Cluster, state: ClusterState, before: ClusterState): void {
    this.#world.record(name, 'epoch', `${state.generation}.${state.epoch}`);
    this.#saw(name, state);
    this.#hear(cluster);
    if (state.clusterId === before.clusterId && state.epoch === before.epoch + 1) this.#sawFacts(state);
    this.#work(cluster);
  }

  /** J2: a restart does not go back behind what others were told. */
  #checkWord(name: string, { generation, epoch }: ClusterState): void {
    const word = this.#words.get(name);
    if (word === undefined || word.generation > generation) return;
    if (word.generation === generation && word.epoch > epoch) {
      throw new Error(`${name} said that it follows ${placeOf(word)}, and is back at ${epoch}`);
    }
    this.#world.work.add('words kept');
  }

  #hear({ log }: Cluster): void {
    if (!log.leads) return;
    const { generation } = log.state;
    for (const [node, epoch] of log.acked) this.#words.set(node, { generation, epoch });
  }

  /** C1: at most one state for each place. */
  #saw(name: string, state: ClusterState): void {
    const place = `${state.clusterId} ${placeOf(state)}`;
    const digest = stateDigest(state);
    const known = this.#digests.get(place);
    if (known === undefined) this.#digests.set(place, { digest, node: name });
    else if (known.digest !== digest) {
      throw new Error(`two states at ${placeOf(state)}: of ${known.node} and of ${name}`);
    }
  }

  #sawFacts(state: ClusterState): void {
    const facts: SeenFact[] = [];
    for (const [name, { value, revision }] of state.registry) {
      if (revision !== state.epoch) continue;
      const text = value.toString();
      facts.push({ name, value: text });
      const place = placeOf(state);
      const first = this.#epochOfValue.get(`${name} ${text}`);
      if (first !== undefined && first !== place) {
        throw new Error(`applied twice: ${name} ${text}, at ${first} and at ${place}`);
      }
      this.#epochOfValue.set(`${name} ${text}`, place);
    }
    this.#facts.set(placeOf(state), facts);
  }

  /** The old owner's part of every move, which is nothing here. */
  #work({ log }: Cluster): void {
    if (this.#options.holdsMoves === true) return;
    for (const { partition, from, to, stage } of log.state.moves.values()) {
      if ((from ?? to) !== log.self) continue;
      if (stage === 'copying') log.reportReady([partition], 'verified');
      if (stage === 'released') log.reportReady([partition], 'dropped');
    }
  }

  /** Proposes until it is agreed; fails the run if it is refused. */
  async agree(at: string, command: ClusterCommand): Promise<void> {
    await this.#surely(at, (cluster) => cluster.propose(command, 5000));
  }

  async #surely(at: string, propose: (cluster: Cluster) => Promise<ProposeOutcome>): Promise<void> {
    for (let i = 0; i < 20; i++) {
      const outcome = await propose(this.cluster(at)!);
      if (outcome.kind === 'applied') return;
      if (outcome.kind === 'refused' && outcome.refusal.code !== 'plan_outdated') {
        throw new Error(`refused: ${outcome.refusal.reason}`);
      }
    }
    throw new Error('the cluster could not agree');
  }

  #picture(): string {
    const nodes = this.opened().map((name) => {
      const { log } = this.cluster(name)!;
      const { members, moves } = log.state;
      const statuses = [...members.values()].map(({ node, status }) => `${node}:${status}`).join(',');
      const role = log.leads ? '*' : '';
      return `${name}${role} at ${placeOf(log.state)} led by ${log.leader} [${statuses}] ${moves.size} moves`;
    });
    return nodes.join('; ');
  }
}

/** A process that cannot open its journal ends, and is started again. */
async function openWhenDiskLets(
  environment: Environment,
  options: Omit<ClusterOptions, 'environment'>,
): Promise<Cluster> {
  for (;;) {
    try {
      return await Cluster.open({ environment, ...options });
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      environment.log.warn('the cluster did not open', { code: error.code });
      await new Promise<void>((resolve) => {
        environment.timers.after(openAgainMs, resolve);
      });
    }
  }
}

export function placeOf({
  generation,
  epoch,
}: {
  readonly generation: number;
  readonly epoch: number;
}): string {
  return `${generation}.${epoch}`;
}

/** What is staged, carried out with the ring that claim makes of it. */
export function planFor(state: ClusterState, leaving: readonly NodeId[]) {
  const nodes = [...state.members.values()]
    .filter(({ node, status }) => {
      const isJoining = state.staged.some((change) => change.kind === 'join' && change.node === node);
      return (status === 'valid' || isJoining) && !leaving.includes(node);
    })
    .map(({ node, location }) => ({ node, location }));
  const { generation, epoch, owners, targetN } = state;
  return {
    kind: 'commit',
    planOf: { generation, epoch },
    owners: claimOwners({ owners, nodes, targetN }),
    isForced: false,
  } as const;
}
