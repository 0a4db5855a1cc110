/**
 * What a node is to a partition, by the agreed state: whether it answers for it, whom its writes concern, and
 * what becomes of the data it has there.
 */
import type { NodeId } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState } from '../topology/index.ts';

export type PartitionRole =
  /** Its data is its own. */
  | 'owner'
  /** Still the owner; the partition is being copied to another node, and writes go to both. */
  | 'copying'
  /** The owner no more (`switched`, `released`): its data is to be dropped, and never handed to anyone. */
  | 'closed'
  /** About to own: what arrives stays. */
  | 'incoming'
  /** Not its own: whatever is there is stray, and belongs to the owner. */
  | 'foreign';

export function roleIn(state: ClusterState, self: NodeId, partition: Partition): PartitionRole {
  const move = state.moves.get(partition);
  const isOwner = state.owners[partition] === self;
  if (move === undefined || move.stage === 'planned') return isOwner ? 'owner' : 'foreign';
  if (move.from === self) return move.stage === 'copying' ? 'copying' : 'closed';
  if (isOwner) return 'owner';
  return move.to === self && move.stage === 'copying' ? 'incoming' : 'foreign';
}

/** Of every partition. */
export function rolesIn(state: ClusterState, self: NodeId): PartitionRole[] {
  const roles = state.owners.map((owner): PartitionRole => (owner === self ? 'owner' : 'foreign'));
  for (const partition of state.moves.keys()) roles[partition] = roleIn(state, self, partition);
  return roles;
}

/** To whom stray data goes; undefined while nobody would keep it. */
export function keeperOf(state: ClusterState, partition: Partition): NodeId | undefined {
  const owner = state.owners[partition];
  if (state.members.has(owner)) return owner;
  const move = state.moves.get(partition);
  const isRebuilt = move !== undefined && move.from === undefined && move.stage === 'copying';
  return isRebuilt ? move.to : undefined;
}
