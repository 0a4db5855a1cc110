/**
 * The entries that a replica holds in memory: all behind the mark of its last snapshot. What of them is
 * on disk is `Durability`'s affair, what of them is decided the replica's.
 *
 *   L1. Indexes are consecutive from the base on; terms never fall.
 *   L2. The membership in force is that of the last membership entry, committed or not (Raft §4.1).
 */
import { assert } from '../../stdx/index.ts';
import type { Membership } from '../membership/membership.ts';
import type { SnapshotMark } from '../snapshot/snapshot-mark.ts';
import { type Entry, entrySize, type LogIndex, type LogPosition, type Term } from './entry.ts';

interface MembershipAt {
  readonly index: LogIndex;
  readonly membership: Membership;
}

export class ReplicatedLog {
  #base: SnapshotMark;
  #entries: Entry[] = [];
  /** Of the base, then of each membership entry. */
  #memberships: MembershipAt[];
  #bytes = 0;

  constructor(base: SnapshotMark, entries: readonly Entry[]) {
    this.#base = base;
    this.#memberships = [base];
    this.append(entries);
  }

  /** The mark of the snapshot behind which the log begins. */
  get base(): SnapshotMark {
    return this.#base;
  }

  get lastIndex(): LogIndex {
    return this.#base.index + this.#entries.length;
  }

  get last(): LogPosition {
    const { index, term } = this.#entries.at(-1) ?? this.#base;
    return { index, term };
  }

  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#entries.length;
  }

  get membership(): Membership {
    return this.#memberships.at(-1)!.membership;
  }

  /** Where the membership in force was written. */
  get membershipIndex(): LogIndex {
    return this.#memberships.at(-1)!.index;
  }

  membershipAt(index: LogIndex): Membership {
    return this.#memberships.findLast((each) => each.index <= index)!.membership;
  }

  /** Undefined where the log does not reach: before its base or after its end. */
  termAt(index: LogIndex): Term | undefined {
    if (index === this.#base.index) return this.#base.term;
    return this.#entries[index - this.#base.index - 1]?.term;
  }

  holds(position: LogPosition): boolean {
    return this.termAt(position.index) === position.term;
  }

  /** The entries `from` to `to`, both included, or as many of them as the limits allow, but at least one. */
  slice(
    from: LogIndex,
    to: LogIndex,
    entriesMax = to - from + 1,
    bytesMax = Number.POSITIVE_INFINITY,
  ): Entry[] {
    assert(from > this.#base.index, 'the entries are not compacted away');
    const taken: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to && taken.length < entriesMax; index++) {
      const entry = this.#entries[index - this.#base.index - 1];
      assert(entry !== undefined, 'the entries are there');
      bytes += entrySize(entry);
      if (taken.length > 0 && bytes > bytesMax) break;
      taken.push(entry);
    }
    return taken;
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, 'L1: indexes are consecutive');
      assert(entry.term >= this.last.term, 'L1: terms never fall');
      this.#entries.push(entry);
      this.#bytes += entrySize(entry);
      if (entry.kind === 'membership') {
        this.#memberships.push({ index: entry.index, membership: entry.membership });
      }
    }
  }

  /** Forgets the entry at `index` and all behind it. */
  truncateFrom(index: LogIndex): void {
    assert(index > this.#base.index, 'what a snapshot stands for is not undone');
    const dropped = this.#entries.splice(index - this.#base.index - 1);
    for (const entry of dropped) this.#bytes -= entrySize(entry);
    while (this.membershipIndex >= index) this.#memberships.pop();
  }

  /** Forgets the entries up to `index`: a snapshot stands for them now. */
  compactTo(index: LogIndex): void {
    const term = this.termAt(index);
    assert(term !== undefined, 'the log reaches where it is cut');
    const membership = this.membershipAt(index);
    const dropped = this.#entries.splice(0, index - this.#base.index);
    for (const entry of dropped) this.#bytes -= entrySize(entry);
    this.#base = { index, term, membership };
    this.#memberships = [this.#base, ...this.#memberships.filter((each) => each.index > index)];
  }

  /** Begins anew behind a snapshot that came from elsewhere. */
  reset(base: SnapshotMark): void {
    this.#base = base;
    this.#entries = [];
    this.#memberships = [base];
    this.#bytes = 0;
  }

  /**
   * The last place up to `limit` at which a log whose entry there has term `term` may agree with this one:
   * skips whole terms that the other cannot have (Raft §3.5's optimization). Undefined if that is before
   * the base.
   */
  lastAgreement(limit: LogIndex, term: Term): LogPosition | undefined {
    let index = Math.min(limit, this.lastIndex);
    while (index > this.#base.index && this.termAt(index)! > term) index -= 1;
    const found = this.termAt(index);
    return found === undefined || found > term ? undefined : { index, term: found };
  }
}
