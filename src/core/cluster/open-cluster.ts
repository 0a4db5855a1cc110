/**
 * The cluster as a node takes part in it: messenger, liveness, log and topology, opened and closed together.
 *
 * journal → messenger → liveness → log → topology. A fresh data directory founds a cluster of one, which costs
 * next to nothing: nothing ticks.
 */
import type { Buffer } from 'node:buffer';
import type { Address, Environment, NodeId, Timer } from '../../environment/index.ts';
import { assert, endInTurn } from '../../stdx/index.ts';
import type { SwimOptions } from '../liveness/index.ts';
import { type ClusterCommand, foundCluster, LiveTopology, type Member } from '../topology/index.ts';
import { TcpMessenger, type TcpMessengerOptions } from '../transport/index.ts';
import type { ProposeOutcome } from './cluster-log.ts';
import type { ClusterLogOptions } from './cluster-log-options.ts';
import { placeOf } from './followed-state.ts';
import { groupOfOne } from './founding.ts';
import { GuestDesk } from './guest-desk.ts';
import { ask, fetchState, type JoinOutcome, joinCluster } from './join-cluster.ts';
import type { JournalRecord, StoredIdentity } from './journal-record.ts';
import { LivenessDriver } from './liveness-driver.ts';
import { LogJournal } from './log-journal.ts';
import { type RecoverOutcome, recoverCluster } from './recover-cluster.ts';
import { ReplicatedClusterLog } from './replicated-cluster-log.ts';
import { restoreJournal } from './restore-journal.ts';

export interface ClusterOptions {
  readonly environment: Environment;
  readonly self: NodeId;
  /** Of a cluster that is founded here, and of the one that may be joined. */
  readonly ringSize: number;
  readonly targetN: number;
  /** Where other nodes reach this one; port 0: any. Undefined: nobody does, and no cluster can be joined. */
  readonly listen: Address | undefined;
  /** Instead of `listen`, what others are told. */
  readonly advertised?: Address;
  readonly location?: string | undefined;
  readonly capabilities: ReadonlyMap<string, number>;
  /** A cluster to join, if this node has none but its own: tried one after another until one is joined. */
  readonly seeds?: readonly Address[];
  /** Nobody is let in before `serve` is called: the service on top is not ready yet. */
  readonly isHeld?: boolean;
  readonly transport: Omit<TcpMessengerOptions, 'environment' | 'network' | 'identity'> &
    Partial<Pick<TcpMessengerOptions, 'network'>>;
  readonly liveness: SwimOptions;
  readonly log: ClusterLogOptions;
}

/** What a node says of itself besides who it is; it may change while it runs. */
export interface NodeFaces {
  readonly http?: Address;
  readonly protobuf?: Address;
}

const announceMsMax = 5000;
const announceAgainMs = 1000;
const seedAgainMs = 1000;
/** With nobody to be reached for so long, a node asks at the door whether it is still a member. */
const standingMs = 10_000;
/** Who is refused as no member asks at once, but not more often. */
const standingAgainMs = 1000;
const guestMsMax = 20_000;

export class Cluster {
  readonly topology: LiveTopology;
  readonly log: ReplicatedClusterLog;
  readonly messenger: TcpMessenger;
  readonly liveness: LivenessDriver;
  /** Where it listens. */
  readonly address: Address | undefined;
  readonly #options: ClusterOptions;
  #faces: NodeFaces = {};
  #isAnnouncing = false;
  #standingTimer: Timer | undefined;
  #isClosed = false;
  #isInDoubt = false;
  readonly #desk: GuestDesk;
  /** A `join` or a `recover` is under way: each replaces the whole state, so there is one at a time. */
  #isEntering = false;

  private constructor(
    options: ClusterOptions,
    messenger: TcpMessenger,
    address: Address | undefined,
    journal: LogJournal,
  ) {
    const { environment, self } = options;
    this.#options = options;
    this.messenger = messenger;
    this.address = address;
    const followed = () => this.log;
    this.liveness = new LivenessDriver({
      environment,
      messenger,
      options: options.liveness,
      position: () => followed().state,
      epochSeen: (from, generation, epoch) => followed().sawEpoch(generation, epoch, from),
    });
    const { liveness } = this;
    this.log = new ReplicatedClusterLog({ environment, messenger, journal, liveness, options: options.log });
    this.topology = new LiveTopology({
      self,
      state: this.log.state,
      liveness,
      isConnected: (node) => messenger.isConnected(node, 'foreground'),
    });
    this.log.onState((state, before) => {
      this.topology.update(state);
      if (state.members !== before.members || state.clusterId !== before.clusterId) this.#showMembers();
      if (state.generation !== before.generation) messenger.setIdentity({ generation: state.generation });
      liveness.epochChanged();
    });
    this.log.onRemoved(() => this.#showMembers());
    messenger.setReachability((peer) => liveness.reachability(peer) !== 'dead');
    this.#desk = new GuestDesk(this.log, () => this.#isEntering && this.log.state.members.size === 1);
    messenger.onStranger(() => this.#takenForStranger());
    messenger.onGuest((request) => this.#desk.answer(request));
  }

  /**
   * Rejects with `ClusterOpenError` if the data directory is another node's or says too little, with `WalError`,
   * `NetworkError` or `InsecureListenerError`; nothing is open then. A node whose record of the state is damaged
   * opens when it has caught up with the cluster.
   */
  static async open(options: ClusterOptions): Promise<Cluster> {
    const { environment, self, ringSize } = options;
    const journal = await LogJournal.open(environment);
    let messenger: TcpMessenger | undefined;
    let cluster: Cluster | undefined;
    try {
      const restored = restoreJournal(journal, { self, ringSize, random: environment.random });
      const { identity } = restored;
      messenger = new TcpMessenger({
        network: environment.network,
        ...options.transport,
        environment,
        identity: {
          ...identity,
          generation: journal.contents.state?.generation ?? 1,
          capabilities: options.capabilities,
        },
      });
      if (options.isHeld === true) messenger.hold();
      const address = options.listen && (await messenger.listen(options.listen));
      const records = restored.records ?? foundingRecords(options, identity, address);
      await written(journal, records);
      cluster = new Cluster(options, messenger, address, journal);
      await cluster.#start(restored.isStale);
      return cluster;
    } catch (error) {
      // Its timers end with it, and its journal.
      if (cluster !== undefined) await cluster.halt();
      else await endInTurn([() => messenger?.close(), () => journal.close()]);
      throw error;
    }
  }

  propose(command: ClusterCommand, timeoutMs: number): Promise<ProposeOutcome> {
    return this.log.propose(command, timeoutMs);
  }

  /** Lets other nodes in, where `isHeld` kept them out. */
  serve(): void {
    this.messenger.release();
  }

  /** Leaves the own cluster of one for that of the node at `seed`, as a `joining` member. One at a time. */
  async join(seed: Address): Promise<JoinOutcome> {
    const { environment, listen } = this.#options;
    if (listen === undefined) {
      const reason = 'a node that listens to no other node cannot join a cluster';
      return { kind: 'refused', code: 'not_listening', reason };
    }
    const obstacle = this.#whyNotEnter();
    if (obstacle !== undefined) return { kind: 'unavailable', reason: obstacle };
    this.#isEntering = true;
    try {
      const { log } = this;
      return await joinCluster(seed, { log, environment, member: this.#ownMember(), ask: this.#asGuest });
    } finally {
      this.#isEntering = false;
    }
  }

  /** See `recoverCluster`. */
  async recover(survivors: ReadonlySet<NodeId>): Promise<RecoverOutcome> {
    const obstacle = this.#whyNotEnter();
    if (obstacle !== undefined) return { kind: 'refused', reason: obstacle };
    this.#isEntering = true;
    try {
      return await recoverCluster(this.log, survivors, this.#options.environment);
    } finally {
      this.#isEntering = false;
    }
  }

  /** What members are to know of this node; told again until it stands in the log. */
  announce(faces: NodeFaces): void {
    this.#faces = faces;
    this.#announce();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#standingTimer?.cancel();
    await endInTurn([
      () => this.log.handOver(),
      () => this.liveness.close(),
      () => this.log.close(),
      () => this.messenger.close(),
    ]);
  }

  /** As `close`, without a word to anybody: what this node says is not to be trusted. */
  async halt(): Promise<void> {
    this.#isClosed = true;
    this.#standingTimer?.cancel();
    const silent = this.messenger.close();
    this.liveness.close();
    await this.log.close();
    await silent;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #asGuest: (address: Address, request: Buffer) => Promise<Buffer> = (address, request) =>
    this.messenger.askAsGuest(address, request, guestMsMax);

  #whyNotEnter(): string | undefined {
    if (this.#isClosed) return 'this node stops';
    if (this.#isEntering) return 'this node is joining or recovering a cluster already';
    return this.#desk.isAdmitting ? 'this node is letting another one in' : undefined;
  }

  async #start(isStale: boolean): Promise<void> {
    this.#showMembers();
    this.log.start();
    if (isStale) await this.#catchUp();
    this.#announce();
    const { seeds = [], environment } = this.#options;
    if (seeds.length > 0 && this.log.state.members.size === 1) {
      environment.tasks.spawn('join the seeds', () => this.#joinSeeds(seeds));
    }
  }

  /**
   * Whatever this node had said that it follows, what it proposes now comes after it (J4). Until then its
   * topology may be older than its word.
   */
  async #catchUp(): Promise<void> {
    const { environment } = this.#options;
    environment.log.warn('the record of the cluster state is damaged; catching up before anything is served');
    for (;;) {
      const outcome = await this.log.propose({ kind: 'announce', member: this.#ownMember() }, announceMsMax);
      if (outcome.kind !== 'unavailable' || this.log.isRemoved) break;
      environment.log.warn('cannot catch up with the cluster', { reason: outcome.reason });
      await this.#sleep(announceAgainMs);
    }
    this.log.stateIsWhole();
  }

  #showMembers(): void {
    const { state, isRemoved, identity } = this.log;
    const members = isRemoved ? new Map<NodeId, Member>() : state.members;
    this.messenger.setIdentity({ clusterId: identity.clusterId, generation: state.generation });
    this.messenger.setPeers(members);
    this.liveness.setMembers(members.keys());
    this.#watchStanding();
  }

  #ownMember(): Member {
    return ownMember(this.#options, this.log.identity, this.address, this.#faces);
  }

  #announce(): void {
    if (this.#isAnnouncing) return;
    this.#isAnnouncing = true;
    this.#options.environment.tasks.spawn('announce', async () => {
      while (!this.#isClosed && !this.log.isRemoved && !this.#isKnownAsIs()) {
        const outcome = await this.log.propose(
          { kind: 'announce', member: this.#ownMember() },
          announceMsMax,
        );
        if (outcome.kind === 'refused') {
          this.#options.environment.log.warn('what this node says of itself was refused', {
            reason: outcome.refusal.reason,
          });
          break;
        }
        if (outcome.kind === 'unavailable') await this.#sleep(announceAgainMs);
      }
      this.#isAnnouncing = false;
    });
  }

  #isKnownAsIs(): boolean {
    const own = this.#ownMember();
    const known = this.log.state.members.get(own.node);
    const sameAddress = (a: Address | undefined, b: Address | undefined): boolean =>
      a?.host === b?.host && a?.port === b?.port;
    return (
      known !== undefined &&
      sameAddress(known.address, own.address) &&
      sameAddress(known.http, own.http) &&
      sameAddress(known.protobuf, own.protobuf) &&
      known.capabilities.size === own.capabilities.size &&
      [...own.capabilities].every(([name, version]) => known.capabilities.get(name) === version)
    );
  }

  async #joinSeeds(seeds: readonly Address[]): Promise<void> {
    const { log } = this.#options.environment;
    for (let i = 0; !this.#isClosed; i++) {
      const seed = seeds[i % seeds.length]!;
      const outcome = await this.join(seed);
      if (outcome.kind === 'joined' || outcome.kind === 'already') return;
      log.warn('could not join a cluster', { host: seed.host, port: seed.port, reason: outcome.reason });
      // Two that name each other must not refuse each other for ever, in step.
      await this.#sleep(seedAgainMs * (0.5 + this.#options.environment.random.fraction()));
    }
  }

  /** A removed node is let in by nobody, so it hears of its removal only at the door. */
  #watchStanding(): void {
    const isAlone = this.log.state.members.size === 1 || this.log.isRemoved;
    if (this.#isClosed || isAlone || this.#standingTimer !== undefined) return;
    const { timers, tasks } = this.#options.environment;
    this.#standingTimer = timers.after(standingMs, () => {
      this.#standingTimer = undefined;
      if (!this.#isCutOff()) this.#watchStanding();
      else {
        tasks.spawn('ask for the own standing', async () => {
          await this.#askStanding();
          this.#watchStanding();
        });
      }
    });
  }

  #takenForStranger(): void {
    if (this.#isClosed || this.#isInDoubt || this.log.isRemoved || this.log.state.members.size === 1) return;
    this.#isInDoubt = true;
    this.#options.environment.tasks.spawn('ask for the own standing', async () => {
      await this.#askStanding();
      await this.#sleep(standingAgainMs);
      this.#isInDoubt = false;
    });
  }

  #isCutOff(): boolean {
    const { state, isRemoved, self } = this.log;
    if (isRemoved || state.members.size === 1) return false;
    return [...state.members.keys()].every(
      (node) => node === self || this.liveness.reachability(node) === 'dead',
    );
  }

  async #askStanding(): Promise<void> {
    const { log } = this;
    const { clusterId, members } = log.state;
    const { node, instance } = log.identity;
    const others = [...members.values()].filter((member) => member.node !== node);
    const { address } = others[this.#options.environment.random.u32() % others.length]!;
    const at = placeOf(log.state);
    const parts = { ask: this.#asGuest };
    const reply = await ask(address, { kind: 'standing', clusterId, node, instance, at }, parts);
    if (reply.kind !== 'standing' || this.#isClosed || log.isRemoved) return;
    if (reply.standing === 'removed') log.markRemoved();
    // Addresses may have changed while this node was away.
    else if (reply.standing === 'member') {
      const state = await fetchState(address, parts);
      if (state !== undefined && !this.#isClosed) log.adopt(state);
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.environment.timers.after(ms, resolve);
    });
  }
}

function ownMember(
  { self, listen, advertised, location, capabilities }: ClusterOptions,
  { instance }: StoredIdentity,
  bound: Address | undefined,
  faces: NodeFaces,
): Member {
  const port = bound?.port ?? 0;
  const address = advertised ?? { host: listen?.host ?? '127.0.0.1', port };
  return { node: self, instance, address, location, status: 'joining', capabilities, ...faces };
}

function foundingRecords(
  options: ClusterOptions,
  identity: StoredIdentity,
  address: Address | undefined,
): readonly JournalRecord[] {
  const { environment, self, ringSize, targetN } = options;
  const { clusterId } = identity;
  const member = ownMember(options, identity, address, {});
  const state = foundCluster({ clusterId, member, ringSize, targetN });
  return [
    { kind: 'identity', identity },
    { kind: 'state', state },
    ...groupOfOne(state, self, environment.random),
  ];
}

function written(journal: LogJournal, records: readonly JournalRecord[]): Promise<void> {
  assert(records.length > 0, 'a start writes who this node is');
  return new Promise((resolve, reject) => {
    journal.write(records, (error) => (error === undefined ? resolve() : reject(error)));
  });
}
