/** What tests tell a node of theirs to do with its cluster, and what they see of it. */
import type { MemberStatus, MoveStage, StagedChange } from '../../src/core/index.ts';
import type { Address, NodeId } from '../../src/environment/index.ts';

export type ClusterOrder =
  | { readonly kind: 'join'; readonly seed: Address }
  | { readonly kind: 'stage'; readonly change: StagedChange }
  | { readonly kind: 'mark'; readonly node: NodeId; readonly status: 'down' | 'valid' }
  /** Plans what is staged, and commits that. */
  | { readonly kind: 'commit'; readonly isForced: boolean }
  | { readonly kind: 'view' };

/** `kind` tells how it went, in the words of the cluster. */
export interface OrderAnswer {
  readonly kind: string;
  readonly [fact: string]: unknown;
}

/** One node's view of its cluster. */
export interface ClusterView {
  readonly clusterId: string;
  readonly generation: number;
  readonly epoch: number;
  readonly members: Readonly<Record<string, MemberStatus>>;
  /** Partitions. */
  readonly owned: Readonly<Record<string, number>>;
  readonly moves: readonly {
    readonly partition: number;
    readonly from: NodeId | undefined;
    readonly to: NodeId;
    readonly stage: MoveStage;
  }[];
  readonly reachability: Readonly<Record<string, string>>;
  /** Other members that are not known to hold nothing for others. */
  readonly withStrays: readonly NodeId[];
  /** Of this node: partitions with data of others, or that may have some. */
  readonly strayPartitions: readonly number[];
  /** Of this node. */
  readonly transfers: readonly object[];
  readonly leader: NodeId | undefined;
  readonly voters: readonly NodeId[];
  readonly isRemoved: boolean;
}
