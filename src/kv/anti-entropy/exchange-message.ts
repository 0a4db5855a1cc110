/** What two replicas of a preference list say to each other to find where they differ. */
import type { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { Hash64, LevelHashes, SegmentSet } from '../../merkle/index.ts';
import type { ListingSlice } from './segment-listing.ts';

/** Two replicas of one preference list. */
export interface ReplicaPair {
  readonly first: Partition;
  readonly nVal: number;
  /** The partition of whoever asks, and of whoever answers. */
  readonly near: Partition;
  readonly far: Partition;
}

/** What both sides must agree on, or trees cannot be compared. */
export interface Fence {
  readonly ringEpoch: number;
  /** A hash of `Placements.revision`. */
  readonly placements: number;
}

export type ExchangeQuestion =
  | { readonly kind: 'top'; readonly root: Hash64 }
  /** Bit i for branch i. */
  | { readonly kind: 'leaves'; readonly branches: number }
  | { readonly kind: 'list'; readonly segments: SegmentSet; readonly after: Buffer | undefined }
  /** Trees differ that should not: see whether yours are what you hold. Answered by `same`, at once. */
  | { readonly kind: 'verify' };

export interface ExchangeRequest {
  readonly pair: ReplicaPair;
  readonly fence: Fence;
  readonly question: ExchangeQuestion;
}

/**
 * `epoch`: the two sides know different rings or placements. `owner`: one of the partitions is not where the asker
 * thinks, or in a move. `building`: the trees are not there yet. `busy`: ask later. `storage`: reading failed.
 * `unreachable`: made by the asker's side, when no answer came.
 */
export const refusals = ['epoch', 'owner', 'building', 'busy', 'storage', 'unreachable'] as const;
export type Refusal = (typeof refusals)[number];

export type ExchangeReply =
  /** The roots are the same; or: understood. */
  | { readonly kind: 'same' }
  | { readonly kind: 'top'; readonly hashes: LevelHashes }
  /** One level for each branch that was asked for, in ascending order. */
  | { readonly kind: 'leaves'; readonly levels: readonly LevelHashes[] }
  | { readonly kind: 'list'; readonly slice: ListingSlice }
  | { readonly kind: 'refused'; readonly refusal: Refusal };
