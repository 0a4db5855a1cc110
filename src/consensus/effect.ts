import type { Token } from './event.ts';
import type { Entry, LogIndex, LogPosition, Term } from './log/entry.ts';
import type { Membership } from './membership/membership.ts';
import type { Message } from './message.ts';
import type { PeerId } from './peer-id.ts';
import type { RefusalReason } from './refusal.ts';
import type { RoleName } from './role.ts';
import type { SnapshotMark } from './snapshot/snapshot-mark.ts';

/** What must survive a crash besides the log. */
export interface HardState {
  readonly term: Term;
  /** Who got this replica's vote in `term`. */
  readonly vote: PeerId | undefined;
  /** Began with an empty disk and has not caught up yet: must not vote (see docs/internals/consensus.md). */
  readonly isJoining: boolean;
}

/** What was persisted, for the next life. */
export interface PersistedState {
  readonly hardState: HardState;
  /** The last snapshot taken or installed. */
  readonly snapshot: SnapshotMark;
  /** The entries behind the snapshot. */
  readonly entries: readonly Entry[];
}

export type SendEffect = { readonly kind: 'send'; readonly to: PeerId; readonly message: Message };

/**
 * What the owner has to do, in this order, and before it steps again. `persist`, `write-snapshot` and `install-snapshot` go to disk
 * in the order given, may be grouped into one sync, and after a crash a prefix of them is there, each
 * whole. Later effects need not wait for them; what must wait is in `onceDurable`.
 */
export type Effect =
  | SendEffect
  | {
      readonly kind: 'persist';
      /** For the event `persisted`. */
      readonly sequence: number;
      /** Undefined: as before. */
      readonly hardState: HardState | undefined;
      /** Replace the log from the first one's index on. */
      readonly entries: readonly Entry[];
      /** To be carried out when this and all before is on disk, after the event `persisted`. */
      readonly onceDurable: readonly SendEffect[];
    }
  /** Committed entries, each exactly once in a life, in the order of the log. */
  | { readonly kind: 'apply'; readonly entries: readonly Entry[] }
  /** A proposal stands in the log at this place. It is decided if `apply` brings this index with this term. */
  | { readonly kind: 'accepted'; readonly token: Token; readonly index: LogIndex; readonly term: Term }
  | {
      readonly kind: 'refused';
      readonly token: Token;
      readonly reason: RefusalReason;
      readonly leader: PeerId | undefined;
    }
  /** The state as it is after the effects so far may be read: it is as new as anything acknowledged. */
  | { readonly kind: 'read-ready'; readonly token: Token; readonly index: LogIndex }
  /** Leadership is handed over, or stays. */
  | { readonly kind: 'transfer-ended'; readonly token: Token; readonly isDone: boolean }
  | {
      readonly kind: 'role';
      readonly role: RoleName;
      readonly term: Term;
      readonly leader: PeerId | undefined;
    }
  /** The membership in force has changed; it is not decided yet, and may be undone. */
  | { readonly kind: 'membership'; readonly membership: Membership; readonly index: LogIndex }
  /** The log is long: take a snapshot of what has been applied, and say `snapshot-taken`. */
  | { readonly kind: 'snapshot-wanted'; readonly index: LogIndex }
  /** A peer asks for up to `bytesMax` bytes of the snapshot at `place`; answer with `snapshot-read`. */
  | {
      readonly kind: 'read-snapshot';
      readonly to: PeerId;
      readonly place: LogPosition;
      readonly offset: number;
      readonly bytesMax: number;
    }
  /** Put these bytes of a snapshot aside; offset 0 begins anew. */
  | {
      readonly kind: 'write-snapshot';
      readonly snapshot: SnapshotMark;
      readonly offset: number;
      readonly bytes: Uint8Array;
      readonly onceDurable: readonly SendEffect[];
    }
  /**
   * What was put aside is complete: make it the application's state, and the log empty behind it, in one
   * atomic step. Confirmed by the event `persisted`, like `persist`.
   */
  | {
      readonly kind: 'install-snapshot';
      readonly sequence: number;
      readonly snapshot: SnapshotMark;
      readonly hardState: HardState;
      readonly onceDurable: readonly SendEffect[];
    };
