/**
 * What the cluster has agreed on: the state that its log folds into. A value; every command makes a new one.
 * docs/internals/cluster.md tells what the parts mean.
 */
import type { Buffer } from 'node:buffer';
import type { Address, NodeId } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';

/** `joining`: owns nothing yet. `exiting`: owns nothing any more. `down`: an operator said that it is away. */
export type MemberStatus = 'joining' | 'valid' | 'leaving' | 'exiting' | 'down';

export interface Member {
  readonly node: NodeId;
  /** 16 random bytes, hexadecimal: of the data directory, not of the name. */
  readonly instance: string;
  readonly address: Address;
  /** Host, rack or zone; undefined: the host of its name. */
  readonly location: string | undefined;
  readonly status: MemberStatus;
  /** The highest version that the node understands, of each thing that has versions. Mixed clusters use the least. */
  readonly capabilities: ReadonlyMap<string, number>;
  /** Where its APIs listen, for people and for clients that spread their load; undefined: off. */
  readonly http?: Address;
  readonly protobuf?: Address;
}

export type MoveStage = 'planned' | 'copying' | 'switched' | 'released';

export interface Move {
  readonly partition: Partition;
  /**
   * Undefined: a rebuild from the other replicas, since the owner is gone for good. Until the switch `owners`
   * still names the gone node, which is no member and never up; `to` stands in for it.
   */
  readonly from: NodeId | undefined;
  readonly to: NodeId;
  readonly stage: MoveStage;
  /** The epoch at which the present stage began. */
  readonly since: number;
}

export type StagedChange =
  | { readonly kind: 'join'; readonly node: NodeId }
  | { readonly kind: 'leave'; readonly node: NodeId }
  /** Gone for good: its partitions are rebuilt from the other replicas. */
  | { readonly kind: 'remove'; readonly node: NodeId }
  /** `by`, a joining member, takes over all that `node` owns; `node` leaves. */
  | { readonly kind: 'replace'; readonly node: NodeId; readonly by: NodeId }
  | { readonly kind: 'force-replace'; readonly node: NodeId; readonly by: NodeId }
  | { readonly kind: 'location'; readonly node: NodeId; readonly location: string | undefined };

export interface ClusterState {
  /** 16 random bytes, hexadecimal. */
  readonly clusterId: string;
  readonly generation: number;
  readonly epoch: number;
  /** The epoch of the last change that outdates plans made before it: of members, staged changes or moves (C6). */
  readonly planBasis: number;
  /** Replicas that claim spreads over distinct nodes and locations: `target_n_val`. */
  readonly targetN: number;
  readonly owners: readonly NodeId[];
  /** The epoch at which each partition got its owner: requests that name it by an older one are `moved`. */
  readonly ownedSince: readonly number[];
  readonly members: ReadonlyMap<NodeId, Member>;
  readonly moves: ReadonlyMap<Partition, Move>;
  /** In the order of the operators' words; nothing has happened yet. */
  readonly staged: readonly StagedChange[];
  /** Instances that were removed with their data, the latest last: they are never admitted again (C9). */
  readonly removed: readonly string[];
  /** Facts of the layers above, by name: bucket types, bucket properties. Opaque here. */
  readonly registry: ReadonlyMap<ByteString, RegistryEntry>;
}

export interface RegistryEntry {
  readonly value: Buffer;
  /** The epoch of its last change. */
  readonly revision: number;
}

/** What `foundCluster` makes a first state of. */
export interface Founding {
  readonly clusterId: string;
  readonly member: Member;
  readonly ringSize: number;
  readonly targetN: number;
}

/** One entry of the cluster log. */
export type ClusterCommand =
  /** Enters a member as `joining`. For a member that is known, with the same instance, it is an `announce`. */
  | { readonly kind: 'admit'; readonly member: Member }
  /** A member's own words about itself: address, capabilities. Ignored if the instance is another. */
  | { readonly kind: 'announce'; readonly member: Member }
  | { readonly kind: 'stage'; readonly change: StagedChange }
  | { readonly kind: 'clear' }
  /** Drops the moves that have not begun; who was leaving and still owns something is valid again. */
  | { readonly kind: 'cancel' }
  /**
   * Carries out what is staged. `planOf` names the state that the plan was made from: refused if anything that
   * matters to plans (`planBasis`) has changed since (C6). `owners`: the ring to reach.
   */
  | {
      readonly kind: 'commit';
      readonly planOf: { readonly generation: number; readonly epoch: number };
      readonly owners: readonly NodeId[];
      readonly isForced: boolean;
    }
  /** An operator's word, at once: `down` and back. */
  | { readonly kind: 'mark'; readonly node: NodeId; readonly status: 'down' | 'valid' }
  /**
   * Passes over every partition whose move is not in the stage before, or entered it after `asOf`, the epoch of
   * the state that the proposer looked at: a late command never meets a move that it was not meant for. Refused
   * if nothing is left. `done`: released and dropped. `copying` is also allowed from `copying`: it begins anew,
   * and a switch that was proposed before finds the stage younger than its `asOf`.
   */
  | {
      readonly kind: 'advance';
      readonly partitions: readonly Partition[];
      readonly to: 'copying' | 'switched' | 'released' | 'done';
      readonly asOf: number;
    }
  /** An exiting member owns nothing and has stopped, or a joining one has never come: it is no member any more. */
  | { readonly kind: 'expel'; readonly node: NodeId }
  /** `value` undefined removes. Refused if `expected` is given and the entry's revision is another (0: none). */
  | {
      readonly kind: 'register';
      readonly changes: readonly {
        readonly name: ByteString;
        readonly value: Buffer | undefined;
        readonly expected?: number;
      }[];
    };

/** Why a command changed nothing but the epoch. */
export interface CommandRefusal {
  readonly code:
    | 'unknown_member'
    | 'name_taken'
    /** The instance was removed; what it holds must not come back. */
    | 'removed'
    | 'wrong_status'
    /** Nobody would be left to own the ring. */
    | 'last_member'
    | 'nothing_planned'
    | 'plan_outdated'
    | 'moves_pending'
    | 'wrong_stage'
    | 'conflict'
    | 'too_large'
    | 'bad_ring';
  readonly reason: string;
}
