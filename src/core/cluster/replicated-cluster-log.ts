/**
 * The cluster log of one node, put together: the replica if it is a voter, the follower if it is not, the
 * proposer, and the duties of the leader. docs/internals/cluster-log.md has the messages and what must hold.
 */
import type { Buffer } from 'node:buffer';
import { peerIdOf } from '../../consensus/index.ts';
import type { Environment, NodeId } from '../../environment/index.ts';
import { assert, unreachable } from '../../stdx/index.ts';
import type { LivenessView } from '../liveness/index.ts';
import type { Partition } from '../ring/index.ts';
import { type ClusterCommand, type ClusterState, recovered } from '../topology/index.ts';
import { type Channel, channel, type Messenger, type TrafficClass } from '../transport/index.ts';
import type { ClusterLog, ProposeOutcome } from './cluster-log.ts';
import type { ClusterLogOptions } from './cluster-log-options.ts';
import {
  type ClusterMessage,
  decodeClusterMessage,
  encodeClusterMessage,
  type ProposalAnswer,
  type ReadyFor,
} from './cluster-message.ts';
import { type ConsensusFrame, encodeConsensusFrame } from './consensus-frame.ts';
import { FollowedState } from './followed-state.ts';
import { groupOfOne } from './founding.ts';
import type { JournalRecord, StoredIdentity } from './journal-record.ts';
import { JournalRepair } from './journal-repair.ts';
import { LeaderDuties } from './leader-duties.ts';
import type { LogJournal } from './log-journal.ts';
import { NoticeSpread } from './notice-spread.ts';
import { OwnReplica } from './own-replica.ts';
import { decodeProposal } from './proposal.ts';
import { Proposer } from './proposer.ts';
import { ReadyReports } from './ready-reports.ts';
import { nodeOfReplica } from './replica-name.ts';
import { StatePuller } from './state-puller.ts';
import { Surveys } from './surveys.ts';

const dutyTimeoutMs = 5000;

export interface ClusterLogParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  readonly messenger: Messenger;
  /** It holds an identity and a state; see `founding.ts`. */
  readonly journal: LogJournal;
  readonly liveness: LivenessView;
  readonly options: ClusterLogOptions;
}

/** For people. */
export interface ClusterLogStatus {
  readonly leader: NodeId | undefined;
  /** As this node knows it; empty at a node that is no voter. */
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  readonly term: number | undefined;
  /** The name under which this node is, or could become, a voter. */
  readonly replica: string;
  readonly isRemoved: boolean;
}

export class ReplicatedClusterLog implements ClusterLog {
  readonly self: NodeId;
  readonly #instance: string;
  readonly surveys: Surveys;
  readonly #parts: ClusterLogParts;
  readonly #journal: LogJournal;
  readonly #followed: FollowedState;
  readonly #replica: OwnReplica;
  readonly #puller: StatePuller;
  readonly #proposer: Proposer;
  readonly #duties: LeaderDuties;
  readonly #reports: ReadyReports;
  readonly #spread: NoticeSpread;
  readonly #repair: JournalRepair;
  readonly #removalListeners: (() => void)[] = [];
  /** As others say; for a node whose own replica does not know better. */
  #leaderHint: NodeId | undefined;
  #lastLeader: NodeId | undefined;
  #isAckPlanned = false;
  /** Nothing is heard or said: before the start, while all is replaced, after the end. */
  #isQuiet = true;
  #isClosed = false;

  constructor(parts: ClusterLogParts) {
    const { environment, messenger, journal, liveness, options } = parts;
    const { state, identity } = journal.contents;
    assert(state !== undefined && identity !== undefined, 'the journal says who this node is');
    const self = identity.node;
    this.self = self;
    this.#instance = identity.instance;
    this.#parts = parts;
    this.#journal = journal;
    const send = (to: NodeId, message: ClusterMessage): void => this.#send(to, message);
    const others = (): readonly NodeId[] => this.#others();
    const journalFailed = (error: Error): void => this.#journalFailed(error);
    const durable = (): void => this.#ackSoon();
    const followed = new FollowedState(state, { journal, log: environment.log, durable, journalFailed });
    this.#followed = followed;
    const replica = new OwnReplica({
      environment,
      self,
      journal,
      followed,
      options: options.replica,
      send: (to, frame) => this.#sendFrame(to, frame),
      changed: () => this.#roleChanged(),
      renamed: () => this.#ackSoon(),
      saw: (place, from) => this.#puller.saw(place, from),
      isOutdated: (from) => this.#notify(from),
      isMisnamed: (from) => this.#ack(from),
      journalFailed,
    });
    this.#replica = replica;
    this.#puller = new StatePuller({ environment, followed, send, others, isFed: () => replica.isFed });
    this.#proposer = new Proposer({
      environment,
      self,
      place: () => followed.place,
      proposeHere: (proposal, answered) => replica.judge(proposal, answered),
      leads: () => replica.leads,
      leader: () => this.leader,
      others,
      send,
      saw: (place, from) => this.#puller.saw(place, from),
    });
    this.#duties = new LeaderDuties({
      environment,
      self,
      options: options.leader,
      host: replica.host,
      followed,
      liveness,
      send,
      propose: (command) => this.propose(command, dutyTimeoutMs),
    });
    this.#reports = new ReadyReports({
      environment,
      state: () => followed.state,
      tell: (message) => this.#tellLeader(message),
    });
    this.#spread = new NoticeSpread({ environment, others, notify: (to) => this.#notify(to) });
    this.#repair = new JournalRepair({ environment, journal, repaired: () => this.#journalRepaired() });
    this.surveys = new Surveys({ environment, send });
    followed.onState((now, before) => this.#stateChanged(now, before));
    liveness.onChange(() => this.#duties.look());
    messenger.receive(channel.topology, (from, body) => this.#receive(from, body));
    messenger.receive(channel.consensus, (from, body) => {
      if (!this.#isQuiet) replica.receive(from, body, !this.#repair.isUnderWay);
    });
  }

  /** Takes part from now on. After whoever wants to know of states has said so. */
  start(): void {
    this.#isQuiet = this.isRemoved;
    if (this.#isQuiet) return;
    this.#replica.begin();
    this.#ackSoon();
  }

  get state(): ClusterState {
    return this.#followed.state;
  }

  get identity(): StoredIdentity {
    return this.#journal.contents.identity!;
  }

  get isRemoved(): boolean {
    return this.identity.isRemoved;
  }

  /** Who leads the voters, as far as this node knows. */
  get leader(): NodeId | undefined {
    return this.#replica.leader ?? this.#leaderHint;
  }

  get leads(): boolean {
    return this.#replica.leads;
  }

  /** Whether the voters have a leader, by this node's own knowledge. */
  get isLed(): boolean {
    return this.#replica.leader !== undefined;
  }

  /** At the leader: the epoch that each member has said it follows. */
  get acked(): ReadonlyMap<NodeId, number> {
    return this.#duties.acked;
  }

  get status(): ClusterLogStatus {
    const { status } = this.#replica;
    return {
      leader: this.leader,
      voters: status?.membership.voters.map(nodeOfReplica) ?? [],
      learners: status?.membership.learners.map(nodeOfReplica) ?? [],
      term: status?.term,
      replica: this.#replica.name,
      isRemoved: this.isRemoved,
    };
  }

  onState(changed: (state: ClusterState, before: ClusterState) => void): void {
    this.#followed.onState(changed);
  }

  /** Calls `removed` when the cluster is found to have removed this node. */
  onRemoved(removed: () => void): void {
    this.#removalListeners.push(removed);
  }

  propose(command: ClusterCommand, timeoutMs: number): Promise<ProposeOutcome> {
    if (this.isRemoved) {
      return Promise.resolve({ kind: 'unavailable', reason: 'the cluster has removed this node' });
    }
    return this.#proposer.propose(command, timeoutMs);
  }

  sawEpoch(generation: number, epoch: number, from?: NodeId): void {
    if (!this.#isQuiet) this.#puller.saw({ generation, epoch }, from);
  }

  /**
   * This node, the old owner of these partitions (of a rebuild the new one), has done its part of the present
   * stage: everything is at the new owner, or the own range is dropped. Told until the state shows it.
   */
  reportReady(partitions: readonly Partition[], what: ReadyFor): void {
    this.#reports.report(partitions, what);
  }

  /**
   * Replaces everything at once (J3): this node has joined another cluster, or begins a new generation. Resolves to
   * why it could not be written, if so; then nothing has changed. One at a time.
   */
  async rebase(records: readonly JournalRecord[], state: ClusterState): Promise<string | undefined> {
    if (this.#isClosed) return 'this node stops';
    this.#fallSilent();
    const error = await this.#replace(records);
    // What is on the disk is for the next start.
    if (this.#isClosed) return 'this node stops';
    if (error !== undefined) {
      this.#isQuiet = false;
      this.#repair.begin();
      return `the journal of the cluster could not be written: ${error.message}`;
    }
    this.#leaderHint = undefined;
    this.#isQuiet = false;
    if (state.clusterId !== this.state.clusterId)
      this.#proposer.giveUp('this node has joined another cluster');
    this.#followed.rebase(state);
    this.#replica.replaced();
    return undefined;
  }

  /**
   * The cluster has removed this node: it takes part in nothing any more, now and after a restart. `known`: the last
   * state in which it was a member.
   */
  markRemoved(known: ClusterState = this.state): void {
    if (this.isRemoved) return;
    const { log } = this.#parts.environment;
    const hasLeft = known.members.get(this.self)?.status === 'exiting';
    if (hasLeft) log.info('this node has left the cluster');
    else log.error('the cluster has removed this node; what it holds is kept and not served');
    const identity = { ...this.identity, isRemoved: true };
    this.#fallSilent();
    this.#journal.write([{ kind: 'identity', identity }, { kind: 'no-replica' }], (error) => {
      // At the next start the cluster says it again.
      if (error !== undefined) this.#parts.environment.log.warn('the removal was not recorded');
    });
    for (const removed of this.#removalListeners) removed();
  }

  /** Writes what is known of the state as a whole: what was stale is not any more. */
  stateIsWhole(): void {
    this.#followed.rewrite();
  }

  /** A state that came from elsewhere, such as a member's door; taken if it is beyond this node's. */
  adopt(state: ClusterState): void {
    if (!this.#isQuiet) this.#followed.adopt(state);
  }

  /** Lets another voter lead, before this node goes. */
  handOver(): Promise<void> {
    return this.#replica.handOver(this.#parts.environment);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#fallSilent();
    this.#proposer.close();
    this.surveys.close();
    await this.#journal.close();
  }

  #fallSilent(): void {
    this.#isQuiet = true;
    this.#replica.host.stop();
    this.#puller.stop();
    this.#duties.stop();
    this.#reports.stop();
    this.#spread.stop();
    this.#repair.stop();
  }

  #roleChanged(): void {
    if (this.leader !== this.#lastLeader) {
      this.#lastLeader = this.leader;
      this.#proposer.leaderChanged();
      this.#reports.changed();
      this.#ackSoon();
    }
    this.#duties.look();
  }

  #proposed(from: NodeId, { token, proposal }: Extract<ClusterMessage, { kind: 'propose' }>): void {
    const reply = (answer: ProposalAnswer): void => {
      this.#send(from, { kind: 'proposed', token, answer, leader: this.leader });
    };
    const isTheirs = decodeProposal(proposal)?.proposer === from;
    if (!isTheirs || !this.#replica.leads) reply({ kind: 'elsewhere' });
    else this.#replica.judge(proposal, reply);
  }

  // Messages.

  #receive(from: NodeId, body: Buffer): void {
    if (this.#isQuiet) return;
    const message = decodeClusterMessage(body);
    if (message === undefined) return;
    switch (message.kind) {
      case 'notice':
        this.#heardOfLeader(message.leader);
        this.#puller.saw(message.at, from);
        if (message.asks) this.#ack(from);
        break;
      case 'ack':
        this.#duties.followedBy(from, message.at, peerIdOf(message.replica));
        this.#puller.saw(message.at, from);
        break;
      case 'propose':
        this.#proposed(from, message);
        break;
      case 'proposed':
        if (message.leader !== from || message.answer.kind === 'judged') this.#heardOfLeader(message.leader);
        this.#proposer.answered(from, message.token, message.answer);
        break;
      case 'pull':
        this.#puller.answer(from, message);
        break;
      case 'commands':
        this.#puller.commands(from, message);
        break;
      case 'state-part':
        this.#puller.statePart(from, message);
        break;
      case 'ready':
        if (this.#replica.leads) this.#duties.ready(message);
        else this.#notify(from);
        break;
      case 'survey':
        this.#send(from, {
          kind: 'surveyed',
          token: message.token,
          at: this.#followed.place,
          isLed: this.isLed,
        });
        break;
      case 'surveyed':
        this.surveys.answered(from, message);
        break;
      default:
        unreachable(message);
    }
  }

  #heardOfLeader(leader: NodeId | undefined): void {
    if (leader === undefined || leader === this.#leaderHint || leader === this.self) return;
    if (!this.state.members.has(leader)) return;
    this.#leaderHint = leader;
    if (!this.isLed) this.#roleChanged();
  }

  #tellLeader(message: Extract<ClusterMessage, { kind: 'ready' }>): void {
    if (this.#isQuiet) return;
    if (this.#replica.leads) this.#duties.ready(message);
    else this.#send(this.#leaderOrAnother(), message);
  }

  /** A node that is no voter and has just started knows of no leader: whoever is asked in its place names it. */
  #leaderOrAnother(): NodeId {
    const { leader } = this;
    const { liveness, environment } = this.#parts;
    if (leader !== undefined && liveness.reachability(leader) !== 'dead') return leader;
    const others = this.#others();
    return others[Math.floor(environment.random.fraction() * others.length)] ?? this.self;
  }

  #send(to: NodeId, message: ClusterMessage): void {
    const isBulk = message.kind === 'state-part' || message.kind === 'commands';
    this.#sendBytes(to, isBulk ? 'repair' : 'control', channel.topology, encodeClusterMessage(message));
  }

  #sendFrame(to: NodeId, frame: ConsensusFrame): void {
    const traffic = frame.message.kind === 'snapshot-chunk' ? 'repair' : 'control';
    this.#sendBytes(to, traffic, channel.consensus, encodeConsensusFrame(frame));
  }

  /** What does not fit into the queue is lost, like what the network loses: whoever needs it asks again. */
  #sendBytes(to: NodeId, traffic: TrafficClass, on: Channel, bytes: Buffer): void {
    this.#parts.messenger.send(to, traffic, on, bytes.length, (into, at) => {
      bytes.copy(into, at);
    });
  }

  // What this node follows.

  #stateChanged(state: ClusterState, before: ClusterState): void {
    const { self, instance } = { self: this.self, instance: this.identity.instance };
    if (state.members.get(self)?.instance !== instance) {
      this.markRemoved(before);
      return;
    }
    const { replica } = this.#journal.contents;
    const isOfOldGroup = replica !== undefined && replica.stored.generation < state.generation;
    if (isOfOldGroup && state.clusterId === before.clusterId) {
      this.#leaderHint = undefined;
      this.#replica.end();
    }
    this.#proposer.folded();
    this.#reports.changed();
    this.#duties.look();
    this.#spread.soon();
  }

  #notify(to: NodeId): void {
    this.#send(to, { kind: 'notice', at: this.#followed.place, leader: this.leader, asks: false });
  }

  #ackSoon(): void {
    if (this.#isAckPlanned) return;
    this.#isAckPlanned = true;
    this.#parts.environment.tasks.endOfTurn(() => {
      this.#isAckPlanned = false;
      if (this.#replica.leads) this.#duties.look();
      else if (this.leader !== undefined) this.#ack(this.leader);
    });
  }

  #ack(to: NodeId): void {
    if (this.#isQuiet) return;
    this.#send(to, { kind: 'ack', at: this.#followed.durable, replica: this.#replica.name });
  }

  /** Those that can be reached, if any. */
  #others(): readonly NodeId[] {
    const others = [...this.state.members.keys()].filter((node) => node !== this.self);
    const { liveness } = this.#parts;
    const reachable = others.filter((node) => liveness.reachability(node) !== 'dead');
    return reachable.length > 0 ? reachable : others;
  }

  // The journal.

  #replace(records: readonly JournalRecord[]): Promise<Error | undefined> {
    return new Promise((resolve) => {
      this.#journal.replace(records, resolve);
    });
  }

  /** The disk took no more: the replica is as if crashed, and begins anew from what is there (H2). */
  #journalFailed(error: Error): void {
    if (this.#isQuiet || this.#repair.isUnderWay) return;
    this.#parts.environment.log.error('the journal of the cluster log failed', { reason: error.message });
    this.#replica.host.stop();
    this.#repair.begin();
  }

  #journalRepaired(): void {
    const { identity, replica, isReplicaWhole } = this.#journal.contents;
    if (identity === undefined) this.#rewriteIdentity();
    this.#followed.rewrite();
    const { state } = this;
    // The write that failed may have been the one that ended it.
    const isOver = replica !== undefined && replica.stored.generation < state.generation;
    if (isReplicaWhole && !isOver) this.#replica.replaced();
    else if (state.members.size > 1) this.#replica.end();
    else this.#parts.environment.tasks.spawn('begin the log anew', () => this.#beginAnew());
  }

  /** A record was lost as well, and it was that one. */
  #rewriteIdentity(): void {
    const { clusterId } = this.state;
    const identity = { node: this.self, instance: this.#instance, clusterId, isRemoved: false };
    this.#journal.write([{ kind: 'identity', identity }], (error) => {
      if (error !== undefined) this.#journalFailed(error);
    });
  }

  /** Nobody else has the log of a cluster of one: it goes on from what was folded, as after such a start (J4). */
  async #beginAnew(): Promise<void> {
    const { identity, self, state } = this;
    const next = recovered(state, new Set([self]));
    const group = groupOfOne(next, self, this.#parts.environment.random);
    // If the disk refuses, the repair comes here again.
    await this.rebase([{ kind: 'identity', identity }, { kind: 'state', state: next }, ...group], next);
  }
}
