import type { LogIndex, LogPosition } from './log/entry.ts';
import type { WantedMembership } from './membership/membership-change.ts';
import type { Message } from './message.ts';
import type { PeerId } from './peer-id.ts';

/** Chosen by the owner, and given back with the outcome. */
export type Token = number;

export interface Proposal {
  readonly token: Token;
  readonly bytes: Uint8Array;
}

/** What a replica is told. */
export type ReplicaEvent =
  /** It comes from who it says: the owner has made sure. */
  | { readonly kind: 'message'; readonly from: PeerId; readonly message: Message }
  /** `deadline()` has passed. Harmless earlier. */
  | { readonly kind: 'wake' }
  /** Commands of one turn, in this order. Each is accepted or refused; see `Effect`. */
  | { readonly kind: 'propose'; readonly proposals: readonly Proposal[] }
  /** Linearizable reads of one turn. */
  | { readonly kind: 'read'; readonly tokens: readonly Token[] }
  /** The whole membership that is wanted. Accepted or refused like a proposal. */
  | ({ readonly kind: 'change-membership'; readonly token: Token } & WantedMembership)
  | { readonly kind: 'transfer-leadership'; readonly token: Token; readonly to: PeerId }
  /** The write of that number, and all before, are on disk. Tell it before carrying out its `onceDurable`. */
  | { readonly kind: 'persisted'; readonly sequence: number }
  /** A snapshot of the state after `index` is on disk; the log may forget what it stands for. */
  | { readonly kind: 'snapshot-taken'; readonly index: LogIndex }
  /** Answers `read-snapshot`. Not answering is allowed: the peer will ask again. */
  | {
      readonly kind: 'snapshot-read';
      readonly to: PeerId;
      readonly place: LogPosition;
      readonly offset: number;
      readonly bytes: Uint8Array;
      readonly isLast: boolean;
    };
