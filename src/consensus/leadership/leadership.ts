/**
 * One reign: from winning an election to losing the term, the quorum, or the place in the group.
 *
 *   D1. It opens with a blank entry, and before that is committed nothing is read or changed (Raft §6.4).
 *   D2. It ends by itself when no quorum was heard for the election timeout (§6.2): a leader that nobody
 *       follows makes its clients wait for nothing, and keeps others from being elected.
 *   D3. Once it has asked another to take over it holds no lease: the request may arrive late.
 *   D4. A joint membership that is committed is settled at once; a leader that is not a voter of the
 *       settled one stays until that is committed, and goes (§4.2.2).
 */
import type { Instant } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { Effect } from '../effect.ts';
import type { Proposal, Token } from '../event.ts';
import { type Entry, entrySize, type LogIndex } from '../log/entry.ts';
import { isJoint, isVoter, type Membership, settled } from '../membership/membership.ts';
import { decideChange, type WantedMembership } from '../membership/membership-change.ts';
import type { MessageOf } from '../message.ts';
import type { PeerId } from '../peer-id.ts';
import { LeaderReads } from '../reading/leader-reads.ts';
import type { RefusalReason } from '../refusal.ts';
import type { ReplicaState } from '../replica-state.ts';
import { Replicator } from '../replication/replicator.ts';
import { LeaderTransfer } from './leader-transfer.ts';

/** Why a reign ends by itself. */
export type LeadershipEnd = 'quorum-lost' | 'removed';

export class Leadership {
  readonly #state: ReplicaState;
  readonly #replicator: Replicator;
  readonly #reads: LeaderReads;
  readonly #openedAt: LogIndex;
  #transfer: LeaderTransfer | undefined;
  #uncommittedBytes = 0;

  constructor(state: ReplicaState, now: Instant) {
    this.#state = state;
    this.#openedAt = state.log.lastIndex + 1;
    // Before the blank entry, which is the first that all are sent.
    this.#replicator = new Replicator(state, now);
    this.#append([{ kind: 'blank', index: this.#openedAt, term: state.term }]);
    this.#reads = new LeaderReads(state, this.#replicator);
    this.#reads.beginRound(now);
  }

  get replicator(): Replicator {
    return this.#replicator;
  }

  /** Undefined: alone there is nobody to send to, and no quorum to lose. */
  deadline(now: Instant): Instant | undefined {
    if (this.#replicator.peers.size === 0) return this.#transfer?.endsAt;
    const { heartbeatMs, electionTimeoutMs } = this.#state.options;
    const heartbeat = (this.#reads.lastBegunAt ?? now) + heartbeatMs;
    const quorum = this.#replicator.quorumHeardAt(now) + electionTimeoutMs;
    return Math.min(heartbeat, quorum, this.#transfer?.endsAt ?? heartbeat) as Instant;
  }

  /** What is due. Says why the reign ends, if it does. */
  expire(now: Instant): LeadershipEnd | undefined {
    const { heartbeatMs, electionTimeoutMs } = this.#state.options;
    if (this.#replicator.quorumHeardAt(now) + electionTimeoutMs <= now) return 'quorum-lost';
    if (this.#transfer !== undefined && this.#transfer.endsAt <= now) this.#endTransfer(false);
    if ((this.#reads.lastBegunAt ?? now) + heartbeatMs <= now) this.#reads.beginRound(now);
    return undefined;
  }

  propose(proposals: readonly Proposal[]): void {
    const { log, term, options, outbox } = this.#state;
    for (const { token, bytes } of proposals) {
      const size = entrySize({ kind: 'command', index: 0, term, bytes });
      const isFull =
        this.#uncommittedBytes + size > options.uncommittedBytesMax || log.bytes + size > options.logBytesMax;
      if (this.#transfer !== undefined) this.#refuse(token, 'not-ready');
      else if (bytes.length > options.proposalBytesMax) this.#refuse(token, 'too-large');
      else if (isFull) this.#refuse(token, 'busy');
      else {
        const index = log.lastIndex + 1;
        this.#append([{ kind: 'command', index, term, bytes }]);
        outbox.push({ kind: 'accepted', token, index, term });
      }
    }
  }

  read(tokens: readonly Token[], now: Instant): void {
    for (const token of tokens) {
      if (!this.#hasCommittedInTerm) this.#refuse(token, 'not-ready');
      else if (this.#reads.isFull) this.#refuse(token, 'busy');
      else this.#reads.add(token, now);
    }
  }

  changeMembership(token: Token, wanted: WantedMembership, now: Instant): void {
    const { log, commit, options } = this.#state;
    if (this.#transfer !== undefined) {
      this.#refuse(token, 'not-ready');
      return;
    }
    const decision = decideChange(
      wanted,
      {
        current: log.membership,
        isCurrentCommitted: log.membershipIndex <= commit,
        hasCommittedInTerm: this.#hasCommittedInTerm,
        lastIndex: log.lastIndex,
        promotableMatch: (peer) => {
          const progress = this.#replicator.of(peer);
          return progress === undefined || progress.isJoining ? undefined : progress.match;
        },
      },
      options,
    );
    if (decision.kind === 'refused') {
      this.#refuse(token, decision.reason);
      return;
    }
    const index = this.#appendMembership(decision.membership, now);
    this.#state.outbox.push({ kind: 'accepted', token, index, term: this.#state.term });
  }

  transferTo(token: Token, to: PeerId, now: Instant): void {
    const { id, log, options } = this.#state;
    if (this.#transfer !== undefined) this.#refuse(token, 'not-ready');
    else if (to === id || !isVoter(log.membership, to)) this.#refuse(token, 'malformed');
    else this.#transfer = new LeaderTransfer(token, to, (now + options.electionTimeoutMs) as Instant);
  }

  accepted(from: PeerId, message: MessageOf<'append-accepted'>, now: Instant): void {
    const { match, isJoining } = message;
    const progress = this.#replicator.of(from);
    if (progress === undefined) return;
    assert(match <= this.#state.log.lastIndex, 'nobody has more of this term than its leader');
    progress.heardAt = now;
    if (!isJoining) progress.isJoining = false;
    progress.accepted(match);
  }

  refused(from: PeerId, message: MessageOf<'append-refused'>, now: Instant): void {
    const progress = this.#replicator.of(from);
    if (progress === undefined) return;
    progress.heardAt = now;
    this.#replicator.refused(progress, message);
  }

  heartbeatReply(from: PeerId, { round }: MessageOf<'heartbeat-reply'>, now: Instant): void {
    const progress = this.#replicator.of(from);
    if (progress === undefined) return;
    progress.heardAt = now;
    progress.round = Math.max(progress.round, round);
    this.#replicator.checkForLoss(progress, now);
  }

  /** Draws the conclusions of a step: commits, goes on with changes, sends, answers reads. */
  settle(now: Instant): LeadershipEnd | undefined {
    this.#commit();
    const end = this.#settleMembership(now);
    this.#askToTakeOver();
    this.#replicator.sendAll(now);
    this.#reads.settle(now);
    if (end === 'removed') this.#nameSuccessor();
    return end;
  }

  /** The reads whose index is applied by now. */
  answerReads(): void {
    this.#reads.answer();
  }

  /** `isFollowed`: another has the leadership now, as far as can be seen. */
  end(isFollowed: boolean): void {
    this.#endTransfer(isFollowed);
    for (const token of this.#reads.takeAll()) this.#refuse(token, 'not-leader');
  }

  get #hasCommittedInTerm(): boolean {
    return this.#state.commit >= this.#openedAt;
  }

  #append(entries: readonly Entry[]): void {
    this.#state.adopt(entries);
    for (const entry of entries) this.#uncommittedBytes += entrySize(entry);
  }

  #appendMembership(membership: Membership, now: Instant): LogIndex {
    const { log, term } = this.#state;
    const index = log.lastIndex + 1;
    this.#append([{ kind: 'membership', index, term, membership }]);
    this.#replicator.followMembership(now);
    return index;
  }

  #commit(): void {
    const { commit, log } = this.#state;
    const index = this.#replicator.committable();
    if (index === undefined || index <= commit) return;
    this.#state.commitTo(index);
    const own = Math.max(commit + 1, this.#openedAt);
    if (own > index) return;
    for (const entry of log.slice(own, index)) this.#uncommittedBytes -= entrySize(entry);
  }

  #settleMembership(now: Instant): LeadershipEnd | undefined {
    const { log, commit, id } = this.#state;
    const isDecided = log.membershipIndex <= commit && this.#hasCommittedInTerm;
    if (!isDecided) return undefined;
    if (isJoint(log.membership)) {
      this.#appendMembership(settled(log.membership), now);
      return undefined;
    }
    return isVoter(log.membership, id) ? undefined : 'removed';
  }

  #askToTakeOver(): void {
    const { log, term, outbox } = this.#state;
    const transfer = this.#transfer;
    if (transfer === undefined || transfer.isAsked) return;
    if (this.#replicator.matchOf(transfer.to) < log.lastIndex) return;
    transfer.isAsked = true;
    this.#reads.giveUpLease();
    outbox.send(transfer.to, { kind: 'timeout-now', term });
  }

  /** A leader that goes spares the others the election timeout. */
  #nameSuccessor(): void {
    const { log, term, outbox } = this.#state;
    const byMatch = (a: PeerId, b: PeerId): number =>
      this.#replicator.matchOf(b) - this.#replicator.matchOf(a);
    const successor = [...log.membership.voters].sort(byMatch)[0]!;
    outbox.send(successor, { kind: 'timeout-now', term });
  }

  #endTransfer(isDone: boolean): void {
    const transfer = this.#transfer;
    if (transfer === undefined) return;
    this.#transfer = undefined;
    this.#state.outbox.push({ kind: 'transfer-ended', token: transfer.token, isDone });
  }

  #refuse(token: Token, reason: RefusalReason): void {
    const leader = reason === 'not-leader' ? undefined : this.#state.id;
    const refusal: Effect = { kind: 'refused', token, reason, leader };
    this.#state.outbox.push(refusal);
  }
}
