import type { Instant } from '../../environment/index.ts';
import type { LogPosition } from '../log/entry.ts';
import { membersOf } from '../membership/membership.ts';
import type { MessageOf } from '../message.ts';
import type { PeerId } from '../peer-id.ts';
import type { ReplicaState } from '../replica-state.ts';
import { SnapshotAssembly } from '../snapshot/snapshot-assembly.ts';
import type { SnapshotMark } from '../snapshot/snapshot-mark.ts';
import {
  acceptPull,
  acceptPullSnapshot,
  beginPull,
  type LogPull,
  type PullDecision,
  pullStart,
} from './log-pull.ts';

/** What a replica fetches by itself: a snapshot that was offered to it, and logs of peers that are ahead. */
export class CatchUp {
  readonly #state: ReplicaState;
  #pull: LogPull | undefined;
  #assembly: SnapshotAssembly | undefined;
  /** How many members were asked, in turn, by a replica that has no leader and may not campaign. */
  #searches = 0;

  constructor(state: ReplicaState) {
    this.#state = state;
  }

  deadline(): Instant | undefined {
    return this.#assembly?.retryAt;
  }

  expire(now: Instant): void {
    const assembly = this.#assembly;
    if (assembly === undefined) return;
    const isOverdue = assembly.snapshot.index <= this.#state.commit || !assembly.expire(this.#state, now);
    if (isOverdue) this.#assembly = undefined;
  }

  /** P2: a leader brings what is needed. */
  leaderHeard(): void {
    this.#pull = undefined;
  }

  /** A peer would not vote for this replica; perhaps because it has more. */
  refusedBy(from: PeerId, last: LogPosition, now: Instant): void {
    const isPulling = this.#pull !== undefined && now < this.#pull.endsAt;
    if (isPulling || !this.#state.isBehind(last)) return;
    this.#pull = beginPull(this.#state, from, pullStart(this.#state), now);
  }

  /** Asks the next member for what it has. */
  search(now: Instant): void {
    const peers = membersOf(this.#state.log.membership).filter((peer) => peer !== this.#state.id);
    if (peers.length === 0) return;
    const peer = peers[this.#searches % peers.length]!;
    this.#searches += 1;
    this.#pull = beginPull(this.#state, peer, pullStart(this.#state), now);
  }

  /** True when this replica now has all that the peer had. */
  pullReply(from: PeerId, message: MessageOf<'pull-reply'>, now: Instant): boolean {
    const pull = this.#pull;
    if (pull?.from !== from || pull.previous.index !== message.previous.index) return false;
    return this.#continue(from, acceptPull(this.#state, message), message.entries.at(-1), now);
  }

  pullSnapshot(from: PeerId, message: MessageOf<'pull-snapshot'>, now: Instant): void {
    if (this.#pull?.from !== from) return;
    const decision = acceptPullSnapshot(this.#state, message);
    if (decision === 'snapshot') this.#assemble(from, message.snapshot, now);
    this.#continue(from, decision, message.snapshot, now);
  }

  /** The leader offers its snapshot in the place of entries that it no longer has. */
  offered(leader: PeerId, { snapshot }: MessageOf<'snapshot-offer'>, now: Instant): void {
    const { log, commit } = this.#state;
    if (snapshot.index > commit && !log.holds(snapshot)) {
      this.#assemble(leader, snapshot, now);
      return;
    }
    this.#state.commitTo(Math.max(snapshot.index, commit));
    this.#acknowledge(leader);
  }

  chunk(from: PeerId, message: MessageOf<'snapshot-chunk'>, now: Instant): void {
    const assembly = this.#assembly;
    if (assembly === undefined || !assembly.take(this.#state, from, message, now)) return;
    this.#assembly = undefined;
    this.#install(assembly.snapshot);
    if (from === this.#state.leader) this.#acknowledge(from);
    else this.#pull = beginPull(this.#state, from, pullStart(this.#state), now);
  }

  #assemble(from: PeerId, snapshot: SnapshotMark, now: Instant): void {
    if (this.#assembly?.isOf(from, snapshot)) return;
    this.#assembly = new SnapshotAssembly(this.#state, from, snapshot, now);
  }

  /** What this log has instead, or behind it, was never committed: else it would hold the snapshot's place. */
  #install(snapshot: SnapshotMark): void {
    const { log, commit, term } = this.#state;
    if (snapshot.index <= commit) return;
    if (log.holds(snapshot)) {
      this.#state.commitTo(snapshot.index);
      return;
    }
    if (snapshot.term > term) this.#state.beginTerm(snapshot.term, undefined);
    this.#state.install(snapshot);
  }

  #acknowledge(leader: PeerId): void {
    const { commit, term, outbox, hardState } = this.#state;
    const { isJoining } = hardState;
    outbox.sendAfterLog(leader, { kind: 'append-accepted', term, match: commit, isJoining });
  }

  #continue(from: PeerId, decision: PullDecision, end: LogPosition | undefined, now: Instant): boolean {
    const isMore = decision === 'more' && end !== undefined;
    this.#pull = isMore ? beginPull(this.#state, from, { index: end.index, term: end.term }, now) : undefined;
    return decision === 'caught-up';
  }
}
