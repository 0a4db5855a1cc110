/**
 * Which partitions hold a bucket's objects, as far as trees must know: replicas compare trees of the same keys only
 * if both place them alike.
 */
import type { BucketAddress } from '../key-value-store.ts';

export interface Placement {
  readonly nVal: number;
  /** The whole bucket has one preference list (`chash_bucketonly_keyfun`). */
  readonly bucketOnly: boolean;
}

export interface Placements {
  /** Undefined: there is no such bucket type; its objects are in no tree. */
  of(address: BucketAddress): Placement | undefined;
  /** Every n_val that some bucket has, ascending, each once. */
  readonly nVals: readonly number[];
  /** Equal on all nodes, and over restarts, as long as `of` answers the same for every bucket. */
  readonly revision: string;
}
