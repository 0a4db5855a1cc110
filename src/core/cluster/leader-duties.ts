/**
 * What the leader of the cluster log does besides ordering: it keeps the voters as they should be, brings moves
 * forward, and lets members go. It looks at what is, and asks for what is missing; so looking twice, or two
 * nodes that both think they lead, do no harm: what comes second is refused.
 */
import type { PeerId, WantedMembership } from '../../consensus/index.ts';
import type { Environment, Instant, NodeId, Timer } from '../../environment/index.ts';
import type { LivenessView } from '../liveness/index.ts';
import type { Partition } from '../ring/index.ts';
import { type ClusterCommand, type ClusterState, chooseVoters, nextStages } from '../topology/index.ts';
import type { ClusterMessage, ReadyMove } from './cluster-message.ts';
import type { FollowedState } from './followed-state.ts';
import type { StatePlace } from './proposal.ts';
import type { RaftHost } from './raft-host.ts';
import { nodeOfReplica } from './replica-name.ts';

export interface LeaderOptions {
  /**
   * Partitions that one node hands over, and that one takes over, in the same stage: empty ones go together, and of
   * the others each node sends as few at once as it says itself.
   */
  readonly transferLimit: number;
  /** Who cannot be reached for so long loses its vote, if another can take it. */
  readonly voterAwayMsMax: number;
  /**
   * Who was admitted by this leader, never came, cannot be reached for so long and is not staged is struck off. Of who was a
   * member before it led no leader knows whether it came: being struck off is for ever, so those are left to an operator.
   */
  readonly ghostAwayMsMax: number;
  /** How often to look though nothing seems to have changed; also how often who is behind is asked. */
  readonly lookMs: number;
}

export const defaultLeaderOptions: LeaderOptions = {
  transferLimit: 64,
  voterAwayMsMax: 30_000,
  ghostAwayMsMax: 600_000,
  lookMs: 1000,
};

export interface LeaderDutiesParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'log'>;
  readonly self: NodeId;
  readonly options: LeaderOptions;
  readonly host: RaftHost;
  readonly followed: FollowedState;
  readonly liveness: LivenessView;
  readonly send: (to: NodeId, message: ClusterMessage) => void;
  readonly propose: (command: ClusterCommand) => Promise<unknown>;
}

interface Ack {
  readonly at: StatePlace;
  readonly replica: PeerId;
}

export class LeaderDuties {
  readonly #parts: LeaderDutiesParts;
  readonly #acks = new Map<NodeId, Ack>();
  readonly #awaySince = new Map<NodeId, Instant>();
  /** Members since before this node led. */
  readonly #mayHaveCome = new Set<NodeId>();
  readonly #verified = new Map<Partition, number>();
  readonly #dropped = new Map<Partition, number>();
  #timer: Timer | undefined;
  #isLookPlanned = false;
  #isProposing = false;
  #isLeading = false;

  constructor(parts: LeaderDutiesParts) {
    this.#parts = parts;
  }

  /** What each member has said that it follows; of the leader alone. */
  get acked(): ReadonlyMap<NodeId, number> {
    const { generation, epoch } = this.#parts.followed.durable;
    const acked = new Map<NodeId, number>([[this.#parts.self, epoch]]);
    for (const [node, { at }] of this.#acks) {
      if (at.generation === generation) acked.set(node, at.epoch);
    }
    return acked;
  }

  followedBy(node: NodeId, at: StatePlace, replica: PeerId): void {
    if (!this.#isLeading) return;
    this.#acks.set(node, { at, replica });
    this.look();
  }

  ready({ what, generation, moves }: Extract<ClusterMessage, { kind: 'ready' }>): void {
    if (!this.#isLeading || generation !== this.#parts.followed.state.generation) return;
    const reports = what === 'verified' ? this.#verified : this.#dropped;
    for (const { partition, since } of moves) reports.set(partition, since);
    this.look();
  }

  /** Something has changed: leadership, state, reachability. What follows from it is done as the turn ends. */
  look(): void {
    if (this.#isLookPlanned) return;
    this.#isLookPlanned = true;
    this.#parts.environment.tasks.endOfTurn(() => {
      this.#isLookPlanned = false;
      this.#act();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isLeading = false;
    this.#acks.clear();
    this.#awaySince.clear();
    this.#mayHaveCome.clear();
    this.#verified.clear();
    this.#dropped.clear();
  }

  #act(): void {
    const { host, followed } = this.#parts;
    if (!host.isLeader) {
      if (this.#isLeading) this.stop();
      return;
    }
    const { state } = followed;
    const isNew = !this.#isLeading;
    this.#isLeading = true;
    if (isNew) for (const node of state.members.keys()) this.#mayHaveCome.add(node);
    this.#noteAway(state);
    if (isNew) this.#askWhoIsBehind();
    this.#settleVoters(state);
    this.#advance(state);
    this.#lookAgain(state);
  }

  /** A cluster of one has nothing to wait for. */
  #lookAgain(state: ClusterState): void {
    const isAlone = state.members.size === 1 && state.moves.size === 0;
    if (this.#timer !== undefined || (isAlone && this.#voters().length === 1)) return;
    this.#timer = this.#parts.environment.timers.after(this.#parts.options.lookMs, () => {
      this.#timer = undefined;
      this.#askWhoIsBehind();
      this.#act();
    });
  }

  #askWhoIsBehind(): void {
    const { self, followed, send } = this.#parts;
    const { acked } = this;
    for (const node of followed.state.members.keys()) {
      const isBehind = (acked.get(node) ?? 0) < followed.place.epoch;
      if (node !== self && isBehind) {
        send(node, { kind: 'notice', at: followed.place, leader: self, asks: true });
      }
    }
  }

  #isReachable(node: NodeId): boolean {
    const { self, liveness } = this.#parts;
    return node === self || liveness.reachability(node) !== 'dead';
  }

  #noteAway({ members }: ClusterState): void {
    const now = this.#parts.environment.clock.now();
    for (const node of this.#awaySince.keys()) if (!members.has(node)) this.#awaySince.delete(node);
    for (const node of this.#acks.keys()) if (!members.has(node)) this.#acks.delete(node);
    for (const node of this.#mayHaveCome) if (!members.has(node)) this.#mayHaveCome.delete(node);
    for (const node of members.keys()) {
      if (this.#isReachable(node)) this.#awaySince.delete(node);
      else if (!this.#awaySince.has(node)) this.#awaySince.set(node, now);
    }
  }

  #isAwayForLong(node: NodeId, awayMsMax = this.#parts.options.voterAwayMsMax): boolean {
    const since = this.#awaySince.get(node);
    return since !== undefined && this.#parts.environment.clock.now() - since >= awayMsMax;
  }

  #hasNeverCome(node: NodeId): boolean {
    if (this.#acks.has(node) || this.#mayHaveCome.has(node)) return false;
    return this.#isAwayForLong(node, this.#parts.options.ghostAwayMsMax);
  }

  #voters(): readonly PeerId[] {
    return this.#parts.host.standing?.membership.voters ?? [];
  }

  /** Whose agreement may count: until a change of voters is settled also that of those who go. */
  #decisive(): readonly PeerId[] {
    return [...this.#voters(), ...(this.#parts.host.standing?.membership.outgoing ?? [])];
  }

  /** Learners first; they become voters when they have nearly all. Refused while a change is under way. */
  #settleVoters(state: ClusterState): void {
    const { host } = this.#parts;
    const { status } = host;
    if (status === undefined || status.membership.outgoing.length > 0) return;
    const { voters, learners } = status.membership;
    const wanted = this.#wantedVoters(state, voters);
    if (wanted === undefined) return;
    const added = wanted.filter((peer) => !voters.includes(peer));
    const isCaughtUp = (peer: PeerId): boolean => {
      const follower = status.followers.find(({ id }) => id === peer);
      return learners.includes(peer) && follower?.mode === 'replicate' && follower.match >= status.commit;
    };
    const promotable = added.filter(isCaughtUp);
    // Nobody's vote is taken before its successor is there.
    const next = promotable.length === added.length ? wanted : [...voters, ...promotable];
    const rest = added.filter((peer) => !promotable.includes(peer));
    this.#change({ voters: next, learners: rest }, voters, learners);
  }

  #change(next: WantedMembership, voters: readonly PeerId[], learners: readonly PeerId[]): void {
    if (isSameSet(next.voters, voters) && isSameSet(next.learners, learners)) return;
    this.#parts.host.changeMembership(next, (isDone) => {
      if (!isDone) return;
      const names = next.voters.map(nodeOfReplica).join(' ');
      this.#parts.environment.log.info('voters of the cluster log', {
        voters: names,
        learners: next.learners.length,
      });
    });
  }

  /** As replicas. Undefined: one of them has not said yet under which name it would vote. */
  #wantedVoters(state: ClusterState, voters: readonly PeerId[]): readonly PeerId[] | undefined {
    const { self, host } = this.#parts;
    const present = [...state.members.keys()].filter((node) => !this.#isAwayForLong(node));
    const current = new Map(voters.map((peer) => [nodeOfReplica(peer), peer]));
    const isNewcomerHere = (node: NodeId): boolean =>
      current.has(node) || (this.#isReachable(node) && this.#acks.has(node));
    const reachable = new Set(present.filter((node) => node === self || isNewcomerHere(node)));
    const nodes = chooseVoters(state, reachable, [...current.keys()]);
    const wanted: PeerId[] = [];
    for (const node of nodes) {
      // A learner that is away never catches up, and who leaves would keep its vote until it does.
      if (!current.has(node) && this.#isAwayForLong(node)) continue;
      // Who lost its log has said so by another name.
      const peer = node === self ? host.name : (this.#acks.get(node)?.replica ?? current.get(node));
      if (peer !== undefined) wanted.push(peer);
      else if (reachable.has(node)) return undefined;
    }
    return wanted.length === 0 ? undefined : wanted;
  }

  #advance(state: ClusterState): void {
    if (this.#isProposing) return;
    this.#forgetReports(state);
    const { environment, liveness, options, propose } = this.#parts;
    const nodes = [...state.members.keys()];
    const commands = nextStages(state, {
      acked: this.acked,
      reachable: new Set(nodes.filter((node) => this.#isReachable(node))),
      withoutStrays: new Set(nodes.filter((node) => !liveness.hasStrays(node))),
      voters: new Set(this.#decisive().map(nodeOfReplica)),
      neverCame: new Set(nodes.filter((node) => this.#hasNeverCome(node))),
      verified: this.#verified,
      dropped: this.#dropped,
      transferLimit: options.transferLimit,
    });
    if (commands.length === 0) return;
    this.#isProposing = true;
    environment.tasks.spawn('advance moves', async () => {
      await Promise.all(commands.map((command) => propose(command)));
      this.#isProposing = false;
      this.look();
    });
  }

  #forgetReports({ moves }: ClusterState): void {
    for (const reports of [this.#verified, this.#dropped]) {
      for (const [partition, since] of reports) {
        const move = moves.get(partition);
        if (move === undefined || move.since > since) reports.delete(partition);
      }
    }
  }
}

function isSameSet(a: readonly PeerId[], b: readonly PeerId[]): boolean {
  return a.length === b.length && a.every((peer) => b.includes(peer));
}

/** For whoever reports: the moves of `partitions` in the stage that the report is about. */
export function movesToReport(
  state: ClusterState,
  partitions: Iterable<Partition>,
  stage: 'copying' | 'released',
): readonly ReadyMove[] {
  const moves: ReadyMove[] = [];
  for (const partition of partitions) {
    const move = state.moves.get(partition);
    if (move?.stage === stage) moves.push({ partition, since: move.since });
  }
  return moves;
}
