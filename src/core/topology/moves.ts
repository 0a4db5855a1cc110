/** Moves on their way: the only place where a partition gets another owner (C2). */
import type { NodeId } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterCommand, ClusterState, Move } from './cluster-state.ts';
import { type Folded, refused, reshaped } from './folded.ts';
import { withEmptiedExiting } from './membership.ts';
import { stageTransitions } from './move-stage.ts';
import { advancePartitionsMax } from './topology-limits.ts';

type Advance = Extract<ClusterCommand, { kind: 'advance' }>;

export function advanceMoves(state: ClusterState, { partitions, to, asOf }: Advance): Folded {
  if (partitions.length > advancePartitionsMax) {
    return refused(state, 'too_large', `at most ${advancePartitionsMax} moves advance at once`);
  }
  const moves = new Map(state.moves);
  const advanced: Move[] = [];
  for (const partition of new Set(partitions)) {
    const move = state.moves.get(partition);
    if (move === undefined || !stageTransitions[move.stage][to] || move.since > asOf) continue;
    advanced.push(move);
    if (to === 'done') moves.delete(partition);
    else moves.set(partition, { ...move, stage: to, since: state.epoch });
  }
  if (advanced.length === 0) return refused(state, 'wrong_stage', `no move was in the stage before ${to}`);
  const ring: Partial<ClusterState> = to === 'switched' ? handedOver(state, advanced) : {};
  const owners = ring.owners ?? state.owners;
  return reshaped(state, { ...ring, moves, members: withEmptiedExiting(state.members, owners, moves) });
}

function handedOver(
  state: ClusterState,
  moves: readonly Move[],
): Pick<ClusterState, 'owners' | 'ownedSince'> {
  const owners: NodeId[] = [...state.owners];
  const ownedSince = [...state.ownedSince];
  for (const { partition, to } of moves) {
    owners[partition] = to;
    ownedSince[partition] = state.epoch;
  }
  return { owners, ownedSince };
}

/** In the order of partitions, whatever the order in which a node came to know them. */
export function movesInOrder(moves: ReadonlyMap<Partition, Move>): readonly Move[] {
  return [...moves.values()].sort((a, b) => a.partition - b.partition);
}
