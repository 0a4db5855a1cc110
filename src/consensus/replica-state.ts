/**
 * What all roles of a replica share: its log, its hard state, what is decided and what is applied.
 *
 *   S1. The term, and within a term the vote, change at most once: from nothing to something.
 *   S2. `commit` never falls, and nothing up to it is ever replaced.
 *   S3. What is applied is committed and on this replica's own disk: the state never runs ahead of the log
 *       that would rebuild it.
 */
import type { Instant } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';
import type { HardState, PersistedState } from './effect.ts';
import { type Entry, isAheadOf, type LogIndex, type LogPosition, type Term } from './log/entry.ts';
import { ReplicatedLog } from './log/replicated-log.ts';
import type { ReplicaOptions } from './options.ts';
import { Outbox } from './outbox.ts';
import type { PeerId } from './peer-id.ts';
import type { RoleName } from './role.ts';
import type { SnapshotMark } from './snapshot/snapshot-mark.ts';

export class ReplicaState {
  readonly id: PeerId;
  readonly options: ReplicaOptions;
  readonly log: ReplicatedLog;
  readonly outbox: Outbox;
  role: RoleName = 'follower';
  /** The leader of this term, once it has spoken. */
  leader: PeerId | undefined;
  /** When a leader, of whatever term, was last heard. */
  heardLeaderAt: Instant;
  #hardState: HardState;
  #snapshot: SnapshotMark;
  #commit: LogIndex;
  #applied: LogIndex;

  constructor(id: PeerId, persisted: PersistedState, options: ReplicaOptions, now: Instant) {
    const { snapshot, hardState } = persisted;
    const entries = persisted.entries.filter(({ index }) => index > snapshot.index);
    this.id = id;
    this.options = options;
    this.log = new ReplicatedLog(snapshot, entries);
    this.outbox = new Outbox(this.log.lastIndex);
    // It may have been heard in the life before, and its lease rests on what was promised then.
    this.heardLeaderAt = now;
    this.#hardState = hardState;
    this.#snapshot = snapshot;
    this.#commit = snapshot.index;
    this.#applied = snapshot.index;
    assert(hardState.term >= this.log.last.term, 'a log has no entry of a term to come');
  }

  get term(): Term {
    return this.#hardState.term;
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  get commit(): LogIndex {
    return this.#commit;
  }

  get applied(): LogIndex {
    return this.#applied;
  }

  /** The last snapshot of this replica: at or behind the base of its log, which keeps some entries more. */
  get snapshot(): SnapshotMark {
    return this.#snapshot;
  }

  beginTerm(term: Term, vote: PeerId | undefined): void {
    assert(term > this.term, 'S1: terms grow');
    this.#hardState = { ...this.#hardState, term, vote };
    this.outbox.hardStateChanged();
    this.leader = undefined;
  }

  voteFor(candidate: PeerId): void {
    assert(this.#hardState.vote === undefined || this.#hardState.vote === candidate, 'S1: one vote a term');
    this.#hardState = { ...this.#hardState, vote: candidate };
    this.outbox.hardStateChanged();
  }

  /** This replica holds again all that it may once have acknowledged. */
  hasJoined(): void {
    assert(this.#hardState.isJoining, 'it was joining');
    this.#hardState = { ...this.#hardState, isJoining: false };
    this.outbox.hardStateChanged();
  }

  /** Puts entries into the log; what stands there of other terms, and all behind that, is replaced. */
  adopt(entries: readonly Entry[]): void {
    const isNew = ({ index, term }: Entry): boolean =>
      index > this.log.base.index && this.log.termAt(index) !== term;
    const from = entries.findIndex(isNew);
    if (from < 0) return;
    const { index } = entries[from]!;
    assert(index > this.#commit, 'S2: what is committed is not replaced');
    if (index <= this.log.lastIndex) this.log.truncateFrom(index);
    this.log.append(entries.slice(from));
    this.outbox.logChangedFrom(index);
  }

  /**
   * Whether a log that ends at `other` may replace what this one has beyond the commit. It then has all
   * that this replica has acknowledged and that was, or will be, committed: by the argument for elections
   * (Raft §3.6.3), since an entry acknowledged in term t is in the log of every later leader, if at all.
   */
  isBehind(other: LogPosition): boolean {
    return isAheadOf(other, this.log.last);
  }

  commitTo(index: LogIndex): void {
    assert(index <= this.log.lastIndex, 'only what is in the log is committed');
    this.#commit = Math.max(this.#commit, index);
  }

  /** Hands out what can be applied now. */
  apply(): void {
    const to = Math.min(this.#commit, this.outbox.durability.stableIndex);
    if (to <= this.#applied) return;
    this.outbox.push({ kind: 'apply', entries: this.log.slice(this.#applied + 1, to) });
    this.#applied = to;
  }

  snapshotTaken(index: LogIndex): void {
    assert(index <= this.#applied, 'a snapshot is of what has been applied');
    if (index <= this.#snapshot.index) return;
    const term = this.log.termAt(index)!;
    this.#snapshot = { index, term, membership: this.log.membershipAt(index) };
    const { trailingEntriesMax, snapshotLogBytes } = this.options;
    const kept = Math.max(index - trailingEntriesMax, this.log.base.index);
    this.log.compactTo(kept);
    // Large entries are not worth keeping for those who are a little late.
    if (this.log.bytes > snapshotLogBytes / 2) this.log.compactTo(index);
  }

  install(snapshot: SnapshotMark): void {
    assert(snapshot.index > this.#commit, 'S2: a snapshot does not go back');
    assert(snapshot.term <= this.term, 'a snapshot is not of a term to come');
    this.log.reset(snapshot);
    this.outbox.logReset(snapshot);
    this.#snapshot = snapshot;
    this.#commit = snapshot.index;
    this.#applied = snapshot.index;
  }
}
