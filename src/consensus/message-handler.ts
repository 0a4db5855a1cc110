/** Messages of peers: whether their term lets them in, and who deals with them. */
import type { Instant } from '../environment/index.ts';
import { assert, unreachable } from '../stdx/index.ts';
import type { CatchUp } from './catch-up/catch-up.ts';
import { servePull } from './catch-up/log-pull.ts';
import type { RoleSwitch } from './election/role-switch.ts';
import { believesInLeader, grantsPreVote, grantsVote } from './election/vote-rules.ts';
import type { Message, MessageOf } from './message.ts';
import { handlings } from './message-table.ts';
import type { PeerId } from './peer-id.ts';
import type { ReplicaState } from './replica-state.ts';
import { acceptAppend, acceptHeartbeat } from './replication/acceptance.ts';
import { serveSnapshotPull } from './snapshot/snapshot-assembly.ts';

export class MessageHandler {
  readonly #state: ReplicaState;
  readonly #roles: RoleSwitch;
  readonly #catchUp: CatchUp;

  constructor(state: ReplicaState, roles: RoleSwitch, catchUp: CatchUp) {
    this.#state = state;
    this.#roles = roles;
    this.#catchUp = catchUp;
  }

  handle(from: PeerId, message: Message, now: Instant): void {
    assert(from !== this.#state.id, 'a replica sends itself nothing');
    if (!this.#admit(from, message, now)) return;
    const handling = handlings[this.#state.role][message.kind];
    assert(handling !== 'impossible', `a leader gets no ${message.kind} of its own term`);
    if (handling === 'act') this.#act(from, message, now);
  }

  /** Brings the replica to the term of the message; false if the message is not of this term then. */
  #admit(from: PeerId, message: Message, now: Instant): boolean {
    // Those that no term concerns: a question about a term to come, and what is only about logs.
    if (message.kind === 'pre-vote-request' || !('term' in message)) return true;
    const { term } = this.#state;
    if (message.term === term) return true;
    if (message.term < term) {
      this.#answerOldTerm(from, message);
      return false;
    }
    const isIntruder =
      message.kind === 'vote-request' && !message.isTransfer && believesInLeader(this.#state, now);
    if (isIntruder) return false;
    this.#roles.higherTerm(message.term, now);
    return true;
  }

  /**
   * A leader of an old term must hear of the new one, or a replica that got ahead by an election that
   * failed could never be led again.
   */
  #answerOldTerm(from: PeerId, message: Message): void {
    const { outbox, term } = this.#state;
    switch (message.kind) {
      case 'append':
      case 'heartbeat':
      case 'snapshot-offer':
        outbox.sendAfterHardState(from, { kind: 'heartbeat-reply', term, round: 0 });
        break;
      case 'vote-request':
        outbox.sendAfterHardState(from, { kind: 'vote-reply', term, isGranted: false });
        break;
      default:
        break;
    }
  }

  #act(from: PeerId, message: Message, now: Instant): void {
    const state = this.#state;
    const leadership = this.#roles.leadership;
    switch (message.kind) {
      case 'pre-vote-request':
        this.#answerPreVote(from, message, now);
        break;
      case 'pre-vote-reply':
        if (!message.isGranted) this.#catchUp.refusedBy(from, message.last, now);
        this.#roles.recordVote(from, message.asked, message.isGranted, now);
        break;
      case 'vote-request':
        this.#answerVote(from, message, now);
        break;
      case 'vote-reply':
        this.#roles.recordVote(from, message.term, message.isGranted, now);
        break;
      case 'append':
        this.#leaderHeard(from, now);
        acceptAppend(state, from, message);
        break;
      case 'heartbeat':
        this.#leaderHeard(from, now);
        acceptHeartbeat(state, from, message);
        break;
      case 'snapshot-offer':
        this.#leaderHeard(from, now);
        this.#catchUp.offered(from, message, now);
        break;
      case 'append-accepted':
        leadership!.accepted(from, message, now);
        break;
      case 'append-refused':
        leadership!.refused(from, message, now);
        break;
      case 'heartbeat-reply':
        leadership!.heartbeatReply(from, message, now);
        break;
      case 'timeout-now':
        // Only the leader of its term sends it.
        this.#roles.takeOver(now);
        break;
      case 'pull':
        servePull(state, from, message);
        break;
      case 'pull-reply':
        if (this.#catchUp.pullReply(from, message, now)) this.#roles.campaign(now);
        break;
      case 'pull-snapshot':
        this.#catchUp.pullSnapshot(from, message, now);
        break;
      case 'snapshot-pull':
        leadership?.replicator.isPulling(from, now);
        serveSnapshotPull(state, from, message);
        break;
      case 'snapshot-chunk':
        this.#catchUp.chunk(from, message, now);
        break;
      default:
        unreachable(message);
    }
  }

  #leaderHeard(from: PeerId, now: Instant): void {
    this.#roles.leaderHeard(from, now);
    this.#catchUp.leaderHeard();
  }

  #answerPreVote(from: PeerId, message: MessageOf<'pre-vote-request'>, now: Instant): void {
    const { term, log, outbox } = this.#state;
    const isGranted = grantsPreVote(this.#state, message, now);
    outbox.sendAfterHardState(from, {
      kind: 'pre-vote-reply',
      term,
      asked: message.term,
      isGranted,
      last: log.last,
    });
  }

  #answerVote(from: PeerId, message: MessageOf<'vote-request'>, now: Instant): void {
    const { outbox, term } = this.#state;
    const isGranted = grantsVote(this.#state, from, message);
    if (isGranted) {
      this.#state.voteFor(from);
      this.#roles.voted(now);
    }
    outbox.sendAfterHardState(from, { kind: 'vote-reply', term, isGranted });
  }
}
