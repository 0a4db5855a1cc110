/**
 * The cluster log of one node, put together: the replica if it is a voter, the follower if it is not, the
 * proposer, and the duties of the leader. docs/internals/cluster-log.md has the messages and what must hold.
 */
import { Buffer } from 'node:buffer';
import {
  defaultOptions,
  emptySnapshot,
  joiningState,
  type PeerId,
  peerIdOf,
  type ReplicaOptions,
} from '../../consensus/index.ts';
import type { Environment, NodeId, Timer } from '../../environment/index.ts';
import { assert, unreachable } from '../../stdx/index.ts';
import { WalError } from '../../wal/index.ts';
import type { LivenessView } from '../liveness/index.ts';
import type { Partition } from '../ring/index.ts';
import { type ClusterCommand, type ClusterState, decodeCommand } from '../topology/index.ts';
import { channel, type Messenger, type TrafficClass } from '../transport/index.ts';
import { AgreedState } from './agreed-state.ts';
import type { ClusterLog, ProposeOutcome } from './cluster-log.ts';
import {
  type ClusterMessage,
  decodeClusterMessage,
  encodeClusterMessage,
  type ProposalAnswer,
  type ReadyFor,
} from './cluster-message.ts';
import { decodeConsensusFrame, encodeConsensusFrame } from './consensus-frame.ts';
import { FollowedState } from './followed-state.ts';
import type { JournalRecord, StoredIdentity } from './journal-record.ts';
import { defaultLeaderOptions, LeaderDuties, type LeaderOptions } from './leader-duties.ts';
import type { LogJournal } from './log-journal.ts';
import { decodeProposal, proposalIdOf } from './proposal.ts';
import { Proposer } from './proposer.ts';
import { RaftHost } from './raft-host.ts';
import { ReadyReports } from './ready-reports.ts';
import { drawReplicaName, nodeOfReplica } from './replica-name.ts';
import { StatePuller } from './state-puller.ts';
import { Surveys } from './surveys.ts';
import type { Verdict } from './verdict.ts';

export interface ClusterLogOptions {
  readonly replica: ReplicaOptions;
  readonly leader: LeaderOptions;
}

export const defaultClusterLogOptions: ClusterLogOptions = {
  replica: { ...defaultOptions, snapshotLogEntries: 1000, trailingEntriesMax: 200 },
  leader: defaultLeaderOptions,
};

/** A change is told to so many others at once; they tell others. */
const noticeFanout = 3;
const noticeDelayMs = 10;
const journalRetryMs = 1000;
const dutyTimeoutMs = 5000;
const handOverMsMax = 500;
const handOverLookMs = 10;

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
  readonly isRemoved: boolean;
}

export class ReplicatedClusterLog implements ClusterLog {
  readonly self: NodeId;
  readonly surveys: Surveys;
  readonly #parts: ClusterLogParts;
  readonly #journal: LogJournal;
  readonly #followed: FollowedState;
  readonly #host: RaftHost;
  readonly #puller: StatePuller;
  readonly #proposer: Proposer;
  readonly #duties: LeaderDuties;
  readonly #reports: ReadyReports;
  /** Of the own replica; undefined while it has no snapshot yet. */
  #agreed: AgreedState | undefined;
  /** Under which this node is, or would become, a voter. */
  #replicaName: PeerId;
  #leaderHint: NodeId | undefined;
  #lastLeader: NodeId | undefined;
  #noticeTimer: Timer | undefined;
  #repairTimer: Timer | undefined;
  #isAckPlanned = false;
  /** Nothing is heard or said: before the start, while all is replaced, after the end. */
  #isQuiet = true;
  #removalListeners: (() => void)[] = [];

  constructor(parts: ClusterLogParts) {
    const { environment, messenger, journal, liveness, options } = parts;
    const { state, identity, replica } = journal.contents;
    assert(state !== undefined && identity !== undefined, 'the journal says who this node is');
    this.self = identity.node;
    this.#parts = parts;
    this.#journal = journal;
    this.#replicaName = replica?.stored.name ?? drawReplicaName(this.self, environment.random);
    const send = (to: NodeId, message: ClusterMessage): void => this.#send(to, message);
    const journalFailed = (error: Error): void => this.#journalFailed(error);
    const durable = (): void => this.#ackSoon();
    const followed = new FollowedState(state, { journal, log: environment.log, durable, journalFailed });
    this.#followed = followed;
    this.#host = new RaftHost({
      environment,
      journal,
      options: options.replica,
      state: {
        fold: (bytes) => this.#fold(bytes),
        encode: () => this.#agreed!.encode(),
        restore: (encoded) => this.#restore(encoded),
      },
      send: (from, to, message) => this.#sendFrame(from, to, message),
      changed: () => this.#roleChanged(),
      removed: () => this.#replicaRemoved(),
      journalFailed,
    });
    const host = this.#host;
    const others = (): readonly NodeId[] => this.#others();
    this.#puller = new StatePuller({ environment, followed, send, others, isFed: () => this.#isFed });
    this.#proposer = new Proposer({
      environment,
      self: this.self,
      place: () => followed.place,
      proposeHere: (proposal, answered) => this.#judge(proposal, answered),
      leads: () => host.isLeader,
      leader: () => this.leader,
      others,
      send,
      saw: (place, from) => this.#puller.saw(place, from),
    });
    this.#duties = new LeaderDuties({
      environment,
      self: this.self,
      options: options.leader,
      host,
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
    this.surveys = new Surveys({ environment, send });
    followed.onState((now, before) => this.#stateChanged(now, before));
    liveness.onChange(() => this.#duties.look());
    messenger.receive(channel.topology, (from, body) => this.#receive(from, body));
    messenger.receive(channel.consensus, (from, body) => this.#receiveFrame(from, body));
  }

  /** Takes part from now on. After whoever wants to know of states has said so. */
  start(): void {
    this.#isQuiet = this.isRemoved;
    if (this.#isQuiet) return;
    const { replica } = this.#journal.contents;
    if (replica !== undefined) this.#host.begin(replica);
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
    const leader = this.#host.status?.leader;
    return leader === undefined ? this.#leaderHint : nodeOfReplica(leader);
  }

  get leads(): boolean {
    return this.#host.isLeader;
  }

  /** Whether the voters have a leader, by this node's own knowledge. */
  get isLed(): boolean {
    return this.#host.status?.leader !== undefined;
  }

  /** At the leader: the epoch that each member has said it follows. */
  get acked(): ReadonlyMap<NodeId, number> {
    return this.#duties.acked;
  }

  get status(): ClusterLogStatus {
    const status = this.#host.status;
    return {
      leader: this.leader,
      voters: status?.membership.voters.map(nodeOfReplica) ?? [],
      learners: status?.membership.learners.map(nodeOfReplica) ?? [],
      term: status?.term,
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
   * Replaces everything at once (J3): this node has joined another cluster, or begins a new generation. Rejects if
   * it could not be written; then nothing has changed.
   */
  async rebase(records: readonly JournalRecord[], state: ClusterState): Promise<void> {
    this.#fallSilent();
    try {
      await this.#write(records);
    } catch (error) {
      this.#isQuiet = false;
      this.#repairJournal();
      throw error;
    }
    const { replica } = this.#journal.contents;
    this.#replicaName = replica?.stored.name ?? drawReplicaName(this.self, this.#parts.environment.random);
    this.#agreed = undefined;
    this.#leaderHint = undefined;
    this.#isQuiet = false;
    this.#followed.rebase(state);
    if (replica !== undefined) this.#host.begin(replica);
  }

  /** The cluster has removed this node: it takes part in nothing any more, now and after a restart. */
  markRemoved(): void {
    if (this.isRemoved) return;
    this.#parts.environment.log.error(
      'the cluster has removed this node; what it holds is kept and not served',
    );
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

  /** Before the end: a leader that goes without a word costs the others an election timeout. */
  async handOver(): Promise<void> {
    const { status, name } = this.#host;
    if (!this.#host.isLeader || status === undefined) return;
    const heirs = status.followers.filter(
      ({ id, mode }) => status.membership.voters.includes(id) && mode === 'replicate' && id !== name,
    );
    const heir = heirs.sort((a, b) => b.match - a.match)[0];
    if (heir === undefined) return;
    this.#host.transferLeadership(heir.id);
    const { timers } = this.#parts.environment;
    for (let waitedMs = 0; this.#host.isLeader && waitedMs < handOverMsMax; waitedMs += handOverLookMs) {
      await new Promise<void>((resolve) => {
        timers.after(handOverLookMs, resolve);
      });
    }
  }

  async close(): Promise<void> {
    this.#fallSilent();
    this.#proposer.close();
    this.surveys.close();
    await this.#journal.close();
  }

  #fallSilent(): void {
    this.#isQuiet = true;
    this.#host.stop();
    this.#puller.stop();
    this.#duties.stop();
    this.#reports.stop();
    this.#noticeTimer?.cancel();
    this.#repairTimer?.cancel();
    this.#noticeTimer = undefined;
    this.#repairTimer = undefined;
  }

  // The replica.

  #fold(bytes: Uint8Array): Verdict {
    assert(this.#agreed !== undefined, 'a snapshot comes before what follows it');
    const folded = this.#agreed.fold(bytes);
    if (folded.kind === 'new') this.#followed.folded(this.#agreed.cluster, folded.command);
    return folded.verdict;
  }

  #restore(encoded: Buffer): void {
    const agreed = AgreedState.decode(encoded);
    assert(agreed !== undefined, 'a snapshot is whole, and of a known version');
    this.#agreed = agreed;
    this.#followed.adopt(agreed.cluster);
  }

  get #isFed(): boolean {
    return this.#host.status?.leader !== undefined && this.#agreed !== undefined;
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

  /** It follows like others from now on; to vote again it begins anew. */
  #replicaRemoved(): void {
    this.#agreed = undefined;
    this.#endReplica();
  }

  #endReplica(): void {
    this.#host.stop();
    this.#replicaName = drawReplicaName(this.self, this.#parts.environment.random);
    this.#journal.write([{ kind: 'no-replica' }], (error) => {
      if (error !== undefined) this.#journalFailed(error);
    });
    this.#ackSoon();
  }

  /** The leader wants this node as a learner, and knows by which name. */
  #beginJoining(generation: number): void {
    const { hardState } = joiningState();
    const replica = {
      name: this.#replicaName,
      generation,
      mark: emptySnapshot,
      agreed: Buffer.alloc(0),
    };
    this.#journal.write(
      [
        { kind: 'replica', replica },
        { kind: 'log', write: { hardState, entries: [] } },
      ],
      (error) => {
        if (error !== undefined) this.#journalFailed(error);
      },
    );
    const { replica: stored } = this.#journal.contents;
    if (stored !== undefined) this.#host.begin(stored);
  }

  #sendFrame(from: PeerId, to: PeerId, message: Parameters<typeof encodeConsensusFrame>[0]['message']): void {
    const { generation } = this.#journal.contents.replica!.stored;
    const bytes = encodeConsensusFrame({ generation, from, to, message });
    const traffic = message.kind === 'snapshot-chunk' ? 'repair' : 'control';
    this.#sendBytes(nodeOfReplica(to), traffic, channel.consensus, bytes);
  }

  #receiveFrame(from: NodeId, body: Buffer): void {
    if (this.#isQuiet) return;
    const frame = decodeConsensusFrame(body);
    if (frame === undefined || nodeOfReplica(frame.from) !== from) return;
    const { generation } = this.state;
    if (frame.generation > generation) this.#puller.saw({ generation: frame.generation, epoch: 0 }, from);
    else if (frame.generation < generation) this.#notify(from, false);
    if (frame.generation !== generation || frame.to !== this.#replicaName) return;
    if (!this.#host.isRunning && this.#repairTimer === undefined) this.#beginJoining(generation);
    this.#host.receive(frame.from, frame.message);
  }

  // Proposals.

  /** As leader. What was folded already is not proposed again. */
  #judge(bytes: Buffer, answered: (answer: ProposalAnswer) => void): void {
    const proposal = decodeProposal(bytes);
    const known = proposal && this.#agreed?.verdictOn(proposalIdOf(proposal));
    if (known !== undefined) answered({ kind: 'judged', verdict: known });
    // What this leader cannot read must not enter the log: others would have to fold it.
    else if (proposal === undefined || decodeCommand(proposal.command) === undefined) {
      answered({ kind: 'elsewhere' });
    } else this.#host.propose(bytes, answered);
  }

  #proposed(from: NodeId, { token, proposal }: Extract<ClusterMessage, { kind: 'propose' }>): void {
    const reply = (answer: ProposalAnswer): void => {
      this.#send(from, { kind: 'proposed', token, answer, leader: this.leader });
    };
    const isTheirs = decodeProposal(proposal)?.proposer === from;
    if (!isTheirs || !this.#host.isLeader) reply({ kind: 'elsewhere' });
    else this.#judge(proposal, reply);
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
        this.#duties.ready(message);
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
    if (this.#host.isLeader) this.#duties.ready(message);
    else if (this.leader !== undefined) this.#send(this.leader, message);
  }

  #send(to: NodeId, message: ClusterMessage): void {
    const isBulk = message.kind === 'state-part' || message.kind === 'commands';
    this.#sendBytes(to, isBulk ? 'repair' : 'control', channel.topology, encodeClusterMessage(message));
  }

  /** What does not fit into the queue is lost, like what the network loses: whoever needs it asks again. */
  #sendBytes(
    to: NodeId,
    traffic: TrafficClass,
    on: typeof channel.topology | typeof channel.consensus,
    bytes: Buffer,
  ): void {
    this.#parts.messenger.send(to, traffic, on, bytes.length, (into, at) => {
      bytes.copy(into, at);
    });
  }

  // What this node follows.

  #stateChanged(state: ClusterState, before: ClusterState): void {
    const { self, instance } = { self: this.self, instance: this.identity.instance };
    if (state.members.get(self)?.instance !== instance) {
      this.markRemoved();
      return;
    }
    const { replica } = this.#journal.contents;
    const isOfOldGroup = replica !== undefined && replica.stored.generation < state.generation;
    if (isOfOldGroup && state.clusterId === before.clusterId) {
      this.#agreed = undefined;
      this.#leaderHint = undefined;
      this.#endReplica();
    }
    this.#proposer.folded();
    this.#reports.changed();
    this.#duties.look();
    this.#spread();
  }

  /** Tells a few others soon; what comes meanwhile goes with it. */
  #spread(): void {
    if (this.#noticeTimer !== undefined || this.#isQuiet) return;
    const { timers, random } = this.#parts.environment;
    this.#noticeTimer = timers.after(noticeDelayMs, () => {
      this.#noticeTimer = undefined;
      const others = [...this.#others()];
      for (let i = 0; i < noticeFanout && others.length > 0; i++) {
        const [to] = others.splice(random.u32() % others.length, 1);
        this.#notify(to!, false);
      }
    });
  }

  #notify(to: NodeId, asks: boolean): void {
    this.#send(to, { kind: 'notice', at: this.#followed.place, leader: this.leader, asks });
  }

  #ackSoon(): void {
    if (this.#isAckPlanned) return;
    this.#isAckPlanned = true;
    this.#parts.environment.tasks.endOfTurn(() => {
      this.#isAckPlanned = false;
      if (this.#host.isLeader) this.#duties.look();
      else if (this.leader !== undefined) this.#ack(this.leader);
    });
  }

  #ack(to: NodeId): void {
    if (this.#isQuiet) return;
    this.#send(to, { kind: 'ack', at: this.#followed.durable, replica: this.#replicaName });
  }

  /** Those that can be reached, if any. */
  #others(): readonly NodeId[] {
    const others = [...this.state.members.keys()].filter((node) => node !== this.self);
    const { liveness } = this.#parts;
    const reachable = others.filter((node) => liveness.reachability(node) !== 'dead');
    return reachable.length > 0 ? reachable : others;
  }

  // The journal.

  #write(records: readonly JournalRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#journal.write(records, (error) => {
        if (error === undefined) resolve();
        else reject(error);
      });
    });
  }

  /** The disk took no more: the replica is as if crashed, and begins anew from what is there (H2). */
  #journalFailed(error: Error): void {
    if (this.#isQuiet || this.#repairTimer !== undefined) return;
    this.#parts.environment.log.error('the journal of the cluster log failed', { reason: error.message });
    this.#host.stop();
    this.#repairJournal();
  }

  #repairJournal(): void {
    const { timers, tasks, log } = this.#parts.environment;
    this.#repairTimer = timers.after(journalRetryMs, () => {
      tasks.spawn('repair the journal of the cluster log', async () => {
        await this.#journal.drain();
        if (this.#isQuiet) return;
        try {
          this.#journal.reload();
        } catch (error) {
          if (!(error instanceof WalError)) throw error;
          log.error('the journal of the cluster log cannot be read', { reason: error.message });
          this.#repairJournal();
          return;
        }
        this.#repairTimer = undefined;
        this.#followed.rewrite();
        const { replica } = this.#journal.contents;
        if (replica !== undefined && !this.#host.isRunning) this.#host.begin(replica);
      });
    });
  }
}
