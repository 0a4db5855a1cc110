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
  const owners: NodeId[] = [...state.owners];
  const ownedSince = [...state.ownedSince];
  let advanced = 0;
  for (const partition of new Set(partitions)) {
    const move = state.moves.get(partition);
    if (move === undefined || !stageTransitions[move.stage][to] || move.since > asOf) continue;
    advanced += 1;
    if (to === 'done') {
      moves.delete(partition);
      continue;
    }
    moves.set(partition, { ...move, stage: to, since: state.epoch });
    if (to !== 'switched') continue;
    owners[partition] = move.to;
    ownedSince[partition] = state.epoch;
  }
  if (advanced === 0) return refused(state, 'wrong_stage', `no move was in the stage before ${to}`);
  const ring = to === 'switched' ? { owners, ownedSince } : {};
  return reshaped(state, {
    ...ring,
    moves,
    members: withEmptiedExiting(state.members, owners, moves),
  });
}

/** In the order of partitions, whatever the order in which a node came to know them. */
export function movesInOrder(moves: ReadonlyMap<Partition, Move>): readonly Move[] {
  return [...moves.values()].sort((a, b) => a.partition - b.partition);
}
