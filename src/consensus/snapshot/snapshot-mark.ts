import type { LogIndex, Term } from '../log/entry.ts';
import { type Membership, noMembership } from '../membership/membership.ts';

/** The place in the log that a snapshot of the application's state stands for. Its bytes are elsewhere. */
export interface SnapshotMark {
  readonly index: LogIndex;
  readonly term: Term;
  /** The one in force at `index`. */
  readonly membership: Membership;
}

/** Before the first entry: nothing happened yet, and nobody takes part. */
export const emptySnapshot: SnapshotMark = { index: 0, term: 0, membership: noMembership };
