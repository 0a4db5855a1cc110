/** A leader's side of replication: who is sent what, and when (Raft §3.5, §10.2). */
import type { Instant } from '../../environment/index.ts';
import { type Entry, entrySize, type LogIndex } from '../log/entry.ts';
import { membersOf } from '../membership/membership.ts';
import { quorumValue } from '../membership/quorum.ts';
import type { MessageOf } from '../message.ts';
import type { PeerId } from '../peer-id.ts';
import type { ReplicaState } from '../replica-state.ts';
import { pullPatienceMs } from '../snapshot/snapshot-assembly.ts';
import { Progress } from './progress.ts';

export class Replicator {
  readonly #state: ReplicaState;
  readonly #peers = new Map<PeerId, Progress>();

  constructor(state: ReplicaState, now: Instant) {
    this.#state = state;
    this.followMembership(now);
  }

  /** One progress for each member but the leader itself. New ones are given the time to answer. */
  followMembership(now: Instant): void {
    const members = new Set(membersOf(this.#state.log.membership));
    for (const peer of this.#peers.keys()) if (!members.has(peer)) this.#peers.delete(peer);
    for (const peer of members) {
      if (peer === this.#state.id || this.#peers.has(peer)) continue;
      this.#peers.set(peer, new Progress(this.#state.log.lastIndex + 1, now));
    }
  }

  get peers(): ReadonlyMap<PeerId, Progress> {
    return this.#peers;
  }

  of(peer: PeerId): Progress | undefined {
    return this.#peers.get(peer);
  }

  /** How far the peer's disk is known to hold the log; the leader counts itself by what is on its own. */
  matchOf(peer: PeerId): LogIndex {
    if (peer === this.#state.id) return this.#state.outbox.durability.stableIndex;
    return this.#peers.get(peer)?.match ?? 0;
  }

  /**
   * What a quorum holds and may therefore be committed. Only an entry of the leader's own term is
   * committed by counting; with it, all before (Raft §3.6.2, figure 3.7).
   */
  committable(): LogIndex | undefined {
    const { log, term } = this.#state;
    const index = quorumValue(log.membership, (peer) => this.matchOf(peer));
    return log.termAt(index) === term ? index : undefined;
  }

  /** Since when a quorum has been heard. */
  quorumHeardAt(now: Instant): number {
    const heardAt = (peer: PeerId): number =>
      peer === this.#state.id ? now : (this.#peers.get(peer)?.heardAt ?? Number.NEGATIVE_INFINITY);
    return quorumValue(this.#state.log.membership, heardAt);
  }

  /**
   * Whether what the peer acknowledged stays: with an entry of this term its log ends ahead of all that it could pull
   * (I10). What ends in an older term it may since have replaced by what another, deposed leader left.
   */
  #isFirm({ match }: Progress): boolean {
    return this.#state.log.termAt(match) === this.#state.term;
  }

  heartbeat(round: number): void {
    const { commit, term, outbox } = this.#state;
    for (const [peer, progress] of this.#peers) {
      // By index alone: the peer compares no terms here, as it does where entries are appended.
      progress.toldCommit = this.#isFirm(progress) ? Math.min(commit, progress.match) : 0;
      outbox.send(peer, { kind: 'heartbeat', term, round, commit: progress.toldCommit });
    }
  }

  refused(progress: Progress, message: MessageOf<'append-refused'>): void {
    const { log } = this.#state;
    if (message.isJoining && progress.match > 0) {
      progress.forget();
      return;
    }
    if (!this.#isFirm(progress)) progress.match = 0;
    const isStale = message.previousIndex <= progress.match || message.previousIndex >= progress.next;
    if (isStale || progress.mode === 'snapshot') return;
    if (progress.mode === 'probe' && message.previousIndex !== progress.next - 1) return;
    const agreement = log.lastAgreement(message.hint.index, message.hint.term);
    // Where they agree is compacted away: the next entry to send is gone.
    progress.probeFrom(agreement === undefined ? log.base.index : agreement.index + 1);
  }

  /** A heartbeat came back: what was sent before it and is not answered may be lost. */
  checkForLoss(progress: Progress, now: Instant): void {
    const { heartbeatMs } = this.#state.options;
    if (progress.mode === 'replicate' && progress.oldestAgeMs(now) >= 2 * heartbeatMs) {
      progress.probeFrom(progress.match + 1);
    }
  }

  /** The peer asks for a piece of a snapshot, so it is at work. */
  isPulling(peer: PeerId, now: Instant): void {
    const progress = this.#peers.get(peer);
    if (progress?.mode !== 'snapshot') return;
    progress.lastTriedAt = now;
    progress.pulledAt = now;
  }

  /** An offer alone does not count: it is repeated for as long as a follower is dead. */
  isServingSnapshot(now: Instant): boolean {
    const patienceMs = pullPatienceMs(this.#state.options);
    for (const { mode, pulledAt } of this.#peers.values()) {
      if (mode === 'snapshot' && pulledAt !== undefined && now - pulledAt < patienceMs) return true;
    }
    return false;
  }

  /** Sends whatever may be sent. */
  sendAll(now: Instant): void {
    for (const [peer, progress] of this.#peers) this.#sendTo(peer, progress, now);
  }

  #sendTo(peer: PeerId, progress: Progress, now: Instant): void {
    const { log, options, commit } = this.#state;
    if (progress.mode === 'snapshot') {
      this.#offerAgain(peer, progress, now);
      return;
    }
    if (progress.next <= log.base.index) {
      progress.awaitSnapshot(this.#state.snapshot.index);
      this.#offerAgain(peer, progress, now);
      return;
    }
    if (progress.mode === 'probe') {
      const isWaiting =
        progress.lastTriedAt !== undefined && now - progress.lastTriedAt < options.heartbeatMs;
      if (isWaiting) return;
      progress.lastTriedAt = now;
      this.#append(peer, progress, this.#batchFrom(progress.next));
      return;
    }
    while (progress.next <= log.lastIndex && progress.hasRoom(options)) {
      const entries = this.#batchFrom(progress.next);
      this.#append(peer, progress, entries);
      progress.sent(entries.at(-1)!.index, sizeOf(entries), now);
    }
    // The commit travels with the next entries, or alone if there are none.
    if (progress.isIdle && progress.toldCommit < Math.min(commit, progress.match)) {
      this.#append(peer, progress, []);
    }
  }

  #batchFrom(index: LogIndex): readonly Entry[] {
    const { log, options } = this.#state;
    if (index > log.lastIndex) return [];
    return log.slice(index, log.lastIndex, options.appendEntriesMax, options.appendBytesMax);
  }

  #append(peer: PeerId, progress: Progress, entries: readonly Entry[]): void {
    const { log, term, commit, outbox } = this.#state;
    const index = progress.next - 1;
    const previous = { index, term: log.termAt(index)! };
    progress.toldCommit = commit;
    outbox.send(peer, { kind: 'append', term, previous, entries, commit });
  }

  #offerAgain(peer: PeerId, progress: Progress, now: Instant): void {
    const { term, snapshot, outbox, options } = this.#state;
    const isAtWork =
      progress.lastTriedAt !== undefined && now - progress.lastTriedAt < options.electionTimeoutMs;
    if (isAtWork) return;
    progress.awaitSnapshot(snapshot.index);
    progress.lastTriedAt = now;
    outbox.send(peer, { kind: 'snapshot-offer', term, snapshot });
  }
}

function sizeOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + entrySize(entry), 0);
}
