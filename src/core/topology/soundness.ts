/**
 * What holds in every state of the cluster (docs/internals/topology.md, T1 to T8). Checked after each command, and of
 * what arrives from disk or from a peer before it is believed. One pass over ring and moves.
 */
import type { NodeId } from '../../environment/index.ts';
import { isRingSize, type Partition } from '../ring/index.ts';
import type { ClusterState, Member, Move } from './cluster-state.ts';
import { owningStatuses } from './member-status.ts';
import { isSwitched } from './move-stage.ts';
import { targetNMax } from './topology-limits.ts';

/** The first thing that does not hold; undefined: all does. */
export function unsoundness(state: ClusterState): string | undefined {
  return (
    numberFault(state) ?? sinceFault(state) ?? memberFault(state) ?? moveFault(state) ?? ownerFault(state)
  );
}

/** The same, of what a command made of a sound state: parts that are as they were are not looked at again. */
export function unsoundnessSince(before: ClusterState, state: ClusterState): string | undefined {
  const isSameRing = state.owners === before.owners && state.ownedSince === before.ownedSince;
  if (!isSameRing) return unsoundness(state);
  const areSameMembers = state.members === before.members && state.removed === before.removed;
  const fault = numberFault(state) ?? (areSameMembers ? undefined : memberFault(state));
  if (fault !== undefined || (areSameMembers && state.moves === before.moves)) return fault;
  return moveFault(state) ?? ownerFault(state);
}

function numberFault({
  generation,
  epoch,
  planBasis,
  targetN,
  owners,
  ownedSince,
}: ClusterState): string | undefined {
  if (generation < 1 || epoch < 1) return 'generation and epoch begin with 1';
  if (planBasis < 1 || planBasis > epoch) return 'plans are outdated by what has happened';
  if (targetN < 1 || targetN > targetNMax) return `a name has 1 to ${targetNMax} replicas`;
  if (!isRingSize(owners.length)) return `a ring cannot have ${owners.length} partitions`;
  if (ownedSince.length !== owners.length) return 'every partition has been owned since some epoch';
  return undefined;
}

function sinceFault({ ownedSince, epoch }: ClusterState): string | undefined {
  const isPast = ownedSince.every((since) => since >= 1 && since <= epoch);
  return isPast ? undefined : 'nothing is owned since the future';
}

function memberFault({ members, removed }: ClusterState): string | undefined {
  const instances = new Set<string>(removed);
  let canOwn = false;
  for (const [node, member] of members) {
    if (member.node !== node) return `${member.node} stands under the name ${node}`;
    if (instances.has(member.instance)) return `${node}'s instance was removed, or has another name too`;
    instances.add(member.instance);
    canOwn ||= owningStatuses.has(member.status);
  }
  return canOwn ? undefined : 'nobody can own the ring';
}

function moveFault({ moves, members, owners, epoch }: ClusterState): string | undefined {
  for (const [partition, move] of moves) {
    if (move.partition !== partition) return `a move of ${move.partition} stands under ${partition}`;
    if (partition >= owners.length) return `there is no partition ${partition}`;
    if (move.since < 1 || move.since > epoch) return `the move of ${partition} is since the future`;
    const fault = endsFault(move, members, owners[partition]);
    if (fault !== undefined) return `the move of ${partition}: ${fault}`;
  }
  return undefined;
}

function endsFault(move: Move, members: ReadonlyMap<NodeId, Member>, owner: NodeId): string | undefined {
  const { from, to, stage } = move;
  const receiver = members.get(to);
  if (receiver === undefined || !owningStatuses.has(receiver.status)) return `${to} cannot own it`;
  if (from === to) return 'it goes nowhere';
  if (from !== undefined && !members.has(from)) return `${from} is no member`;
  if (isSwitched(stage)) return owner === to ? undefined : `it is ${stage}, and ${owner} owns it`;
  if (from !== undefined) return owner === from ? undefined : `it comes from ${from}, and ${owner} owns it`;
  return members.has(owner) ? `it is rebuilt, and ${owner} is a member` : undefined;
}

function ownerFault({ owners, members, moves }: ClusterState): string | undefined {
  // Their partitions may stay where they are: of those nothing else must hold.
  const settled = new Set<NodeId>();
  for (const { node, status } of members.values()) {
    if (status !== 'leaving' && owningStatuses.has(status)) settled.add(node);
  }
  for (let index = 0; index < owners.length; index += 1) {
    const owner = owners[index]!;
    if (settled.has(owner)) continue;
    const partition = index as Partition;
    const status = members.get(owner)?.status;
    const move = moves.get(partition);
    if (status === undefined) {
      if (move === undefined) return `${partition} belongs to ${owner}, who is no member`;
    } else if (!owningStatuses.has(status)) {
      return `${partition} belongs to ${owner}, who is ${status}`;
    } else if (move?.from !== owner) {
      return `${owner} is leaving, and keeps ${partition}`;
    }
  }
  return undefined;
}
