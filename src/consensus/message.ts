/**
 * What replicas say to one another. Messages may be lost, doubled, delayed and reordered; none is trusted
 * beyond what its term and its place in the log allow. docs/internals/consensus.md has the table.
 */
import type { Entry, LogIndex, LogPosition, Term } from './log/entry.ts';
import type { SnapshotMark } from './snapshot/snapshot-mark.ts';

export type Message =
  /** Would you vote for me? Binds nobody (Raft §9.6). `term` is the one that the sender would begin. */
  | { readonly kind: 'pre-vote-request'; readonly term: Term; readonly last: LogPosition }
  /** `term` is the voter's own; `asked` repeats the request's; `last` lets a sender that is behind catch up. */
  | {
      readonly kind: 'pre-vote-reply';
      readonly term: Term;
      readonly asked: Term;
      readonly isGranted: boolean;
      readonly last: LogPosition;
    }
  /** `isTransfer`: the leader itself wants it, so that having heard from it lately is no reason to refuse. */
  | {
      readonly kind: 'vote-request';
      readonly term: Term;
      readonly last: LogPosition;
      readonly isTransfer: boolean;
    }
  | { readonly kind: 'vote-reply'; readonly term: Term; readonly isGranted: boolean }
  /** Entries to stand behind `previous`. `commit` is the leader's. */
  | {
      readonly kind: 'append';
      readonly term: Term;
      readonly previous: LogPosition;
      readonly entries: readonly Entry[];
      readonly commit: LogIndex;
    }
  /** All up to `match` is on the sender's disk, and the same as the leader's. `isJoining`: it does not vote yet. */
  | {
      readonly kind: 'append-accepted';
      readonly term: Term;
      readonly match: LogIndex;
      readonly isJoining: boolean;
    }
  /**
   * The log does not hold `previousIndex`; `hint` is the last place where it may agree. `isJoining`: it has
   * forgotten, or never had, what it once acknowledged.
   */
  | {
      readonly kind: 'append-refused';
      readonly term: Term;
      readonly previousIndex: LogIndex;
      readonly hint: LogPosition;
      readonly isJoining: boolean;
    }
  /** `commit` is no further than the receiver is known to match. `round` comes back in the reply. */
  | { readonly kind: 'heartbeat'; readonly term: Term; readonly commit: LogIndex; readonly round: number }
  | { readonly kind: 'heartbeat-reply'; readonly term: Term; readonly round: number }
  /** Begin an election at once (Raft §3.10). */
  | { readonly kind: 'timeout-now'; readonly term: Term }
  /** The leader no longer has the entries that the receiver lacks, and offers its snapshot. */
  | { readonly kind: 'snapshot-offer'; readonly term: Term; readonly snapshot: SnapshotMark }
  /** Any replica to any other: send me what follows `previous`. */
  | { readonly kind: 'pull'; readonly previous: LogPosition }
  /** `last` is the end of the sender's log when it answered. */
  | {
      readonly kind: 'pull-reply';
      readonly previous: LogPosition;
      readonly entries: readonly Entry[];
      readonly commit: LogIndex;
      readonly last: LogPosition;
    }
  /** An answer to `pull` from one who no longer has the entries. */
  | { readonly kind: 'pull-snapshot'; readonly snapshot: SnapshotMark; readonly last: LogPosition }
  /** The receiver of a snapshot asks for its next piece. `place` is the snapshot's. */
  | { readonly kind: 'snapshot-pull'; readonly place: LogPosition; readonly offset: number }
  | {
      readonly kind: 'snapshot-chunk';
      readonly place: LogPosition;
      readonly offset: number;
      readonly bytes: Uint8Array;
      readonly isLast: boolean;
    };

export type MessageKind = Message['kind'];
export type MessageOf<Kind extends MessageKind> = Extract<Message, { kind: Kind }>;
