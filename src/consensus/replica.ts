/**
 * One replica of a replicated log: Raft (Ongaro, "Consensus: Bridging Theory and Practice", 2014) as a
 * machine that is told of events and the time and returns what to do. It waits for nothing, reads no
 * clock, and draws chance only to spread elections. docs/internals/consensus.md has the invariants, the
 * messages and the decisions.
 *
 * The owner carries out the effects of each step in order, steps with `wake` when `deadline()` has
 * passed, and never with a time before the last one.
 */
import type { Instant } from '../environment/index.ts';
import { assert, unreachable } from '../stdx/index.ts';
import { CatchUp } from './catch-up/catch-up.ts';
import type { Effect, PersistedState } from './effect.ts';
import { RoleSwitch } from './election/role-switch.ts';
import type { ReplicaEvent, Token } from './event.ts';
import type { LogIndex, Term } from './log/entry.ts';
import type { Membership } from './membership/membership.ts';
import { MessageHandler } from './message-handler.ts';
import { checkOptions, type ElectionRandom, type ReplicaOptions } from './options.ts';
import type { PeerId } from './peer-id.ts';
import { ReplicaState } from './replica-state.ts';
import type { RoleName } from './role.ts';

export interface ReplicaParts {
  readonly id: PeerId;
  readonly persisted: PersistedState;
  readonly options: ReplicaOptions;
  readonly random: ElectionRandom;
  readonly now: Instant;
}

export type ReplicaStanding = Pick<ReplicaStatus, 'role' | 'term' | 'leader' | 'membership'>;

/** For display. Indexes are of the log; a peer's `match` is what it is known to have on disk. */
export interface ReplicaStatus {
  readonly id: PeerId;
  readonly role: RoleName;
  readonly term: Term;
  readonly leader: PeerId | undefined;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly lastIndex: LogIndex;
  readonly snapshotIndex: LogIndex;
  readonly logBytes: number;
  readonly membership: Membership;
  readonly isJoining: boolean;
  /** Of a leader; otherwise empty. */
  readonly followers: readonly FollowerStatus[];
}

export interface FollowerStatus {
  readonly id: PeerId;
  readonly mode: 'probe' | 'replicate' | 'snapshot';
  readonly match: LogIndex;
  readonly inFlight: number;
}

interface Reported {
  role: RoleName | undefined;
  term: Term;
  leader: PeerId | undefined;
  membership: Membership | undefined;
  snapshotWanted: LogIndex;
}

export class Replica {
  readonly #state: ReplicaState;
  readonly #roles: RoleSwitch;
  readonly #catchUp: CatchUp;
  readonly #messages: MessageHandler;
  /** What the owner was last told, so that it is told of changes only. */
  readonly #reported: Reported;
  #now: Instant;

  constructor({ id, persisted, options, random, now }: ReplicaParts) {
    checkOptions(options);
    this.#now = now;
    this.#state = new ReplicaState(id, persisted, options, now);
    this.#roles = new RoleSwitch(this.#state, random, now);
    this.#catchUp = new CatchUp(this.#state);
    this.#messages = new MessageHandler(this.#state, this.#roles, this.#catchUp);
    const { snapshot } = persisted;
    this.#reported = {
      role: undefined,
      term: 0,
      leader: undefined,
      membership: undefined,
      snapshotWanted: snapshot.index,
    };
  }

  /** Throws `AssertionError` if the protocol's invariants are broken: the replica must not go on then. */
  step(event: ReplicaEvent, now: Instant): readonly Effect[] {
    assert(now >= this.#now, 'time does not go back');
    this.#now = now;
    // Before anything else: a leader that was paused must know it before it answers.
    this.#expire(now);
    this.#handle(event, now);
    const leadership = this.#roles.leadership;
    const end = leadership?.settle(now);
    this.#state.apply();
    leadership?.answerReads();
    if (end !== undefined) this.#roles.turn(end, now);
    this.#askForSnapshot(now);
    this.#report();
    return this.#state.outbox.take(this.#state.log, this.#state.hardState);
  }

  /** When to step with `wake`; undefined while nothing can become due. */
  deadline(): Instant | undefined {
    const ofRole = this.#roles.deadline(this.#now);
    const ofCatchUp = this.#catchUp.deadline();
    if (ofRole === undefined || ofCatchUp === undefined) return ofRole ?? ofCatchUp;
    return Math.min(ofRole, ofCatchUp) as Instant;
  }

  /** What of the status is asked after every step. */
  standing(): ReplicaStanding {
    const { role, term, leader, log } = this.#state;
    return { role, term, leader, membership: log.membership };
  }

  status(): ReplicaStatus {
    const { id, role, term, leader, commit, applied, log, snapshot, hardState } = this.#state;
    const peers = this.#roles.leadership?.replicator.peers ?? new Map();
    const followers = [...peers].map(([peer, progress]) => ({
      id: peer,
      mode: progress.mode,
      match: progress.match,
      inFlight: progress.inFlightCount,
    }));
    return {
      id,
      role,
      term,
      leader,
      commit,
      applied,
      lastIndex: log.lastIndex,
      snapshotIndex: snapshot.index,
      logBytes: log.bytes,
      membership: log.membership,
      isJoining: hardState.isJoining,
      followers,
    };
  }

  #expire(now: Instant): void {
    this.#catchUp.expire(now);
    if (this.#roles.expire(now) === 'search') this.#catchUp.search(now);
  }

  #handle(event: ReplicaEvent, now: Instant): void {
    const leadership = this.#roles.leadership;
    switch (event.kind) {
      case 'message':
        this.#messages.handle(event.from, event.message, now);
        break;
      case 'wake':
        break;
      case 'propose':
        if (leadership !== undefined) leadership.propose(event.proposals);
        else for (const { token } of event.proposals) this.#refuse(token);
        break;
      case 'read':
        if (leadership !== undefined) leadership.read(event.tokens, now);
        else for (const token of event.tokens) this.#refuse(token);
        break;
      case 'change-membership':
        if (leadership !== undefined) leadership.changeMembership(event.token, event, now);
        else this.#refuse(event.token);
        break;
      case 'transfer-leadership':
        if (leadership !== undefined) leadership.transferTo(event.token, event.to, now);
        else this.#refuse(event.token);
        break;
      case 'persisted':
        this.#state.outbox.durability.confirm(event.sequence);
        this.#roles.persisted(now);
        break;
      case 'snapshot-taken':
        this.#state.snapshotTaken(event.index);
        break;
      case 'snapshot-read': {
        const { to, place, offset, bytes, isLast } = event;
        this.#state.outbox.send(to, { kind: 'snapshot-chunk', place, offset, bytes, isLast });
        break;
      }
      default:
        unreachable(event);
    }
  }

  #refuse(token: Token): void {
    const { outbox, leader } = this.#state;
    outbox.push({ kind: 'refused', token, reason: 'not-leader', leader });
  }

  /**
   * Not while a follower pulls the snapshot that there is: it would have to begin anew, perhaps for ever. But a log
   * that is about to be full would stop everybody, and one that pulls and never ends only itself.
   */
  #askForSnapshot(now: Instant): void {
    const { applied, log, options, outbox, snapshot } = this.#state;
    const { snapshotWanted } = this.#reported;
    const since = Math.max(snapshotWanted, snapshot.index);
    const isLong = applied - since >= options.snapshotLogEntries;
    // One that was asked for makes the log lighter only when it is taken.
    const isHeavy =
      log.bytes >= options.snapshotLogBytes && snapshotWanted <= snapshot.index && applied > since;
    if (!isLong && !isHeavy) return;
    const isUrgent = isHeavy && log.bytes >= (options.snapshotLogBytes + options.logBytesMax) / 2;
    if (!isUrgent && this.#roles.leadership?.replicator.isServingSnapshot(now)) return;
    this.#reported.snapshotWanted = applied;
    outbox.push({ kind: 'snapshot-wanted', index: applied });
  }

  #report(): void {
    const { role, term, leader, log, outbox } = this.#state;
    const last = this.#reported;
    if (role !== last.role || term !== last.term || leader !== last.leader) {
      outbox.push({ kind: 'role', role, term, leader });
    }
    if (log.membership !== last.membership) {
      outbox.push({ kind: 'membership', membership: log.membership, index: log.membershipIndex });
    }
    Object.assign(last, { role, term, leader, membership: log.membership });
  }
}
