/**
 * What a committed plan does: statuses at once, ownership by moves.
 *
 * The planner computes the ring to reach, the log only checks that it may be: C6, one move a partition, moves only to
 * members that may own. A forced commit over pending moves gives up those that have not switched; what had already
 * arrived becomes stray data, which goes to the owner like any other. A partition that has switched is pinned
 * until its old owner has dropped it, unless one of the two is removed.
 */
import type { NodeId } from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterCommand, ClusterState, CommandRefusal, Member, Move } from './cluster-state.ts';
import { changed, type Folded, refused, reshaped } from './folded.ts';
import { withEmptiedExiting, withStatus } from './membership.ts';
import { isSwitched } from './move-stage.ts';
import { membersAfter, refusalOfStaged, removedAfter } from './staging.ts';

type Commit = Extract<ClusterCommand, { kind: 'commit' }>;

export function commitPlan(state: ClusterState, { planOf, owners, isForced }: Commit): Folded {
  const isKnown = planOf.generation === state.generation && planOf.epoch < state.epoch;
  if (!isKnown || planOf.epoch < state.planBasis) {
    return refused(state, 'plan_outdated', 'the cluster has changed since the plan was made');
  }
  const refusal = refusalOfStaged(state);
  if (refusal !== undefined) return { state, refusal };
  if (state.moves.size > 0 && !isForced) {
    return refused(state, 'moves_pending', `${state.moves.size} partitions still move`);
  }
  const members = membersAfter(state.members, state.staged);
  const ringRefusal = refusalOfRing(state, members, owners);
  if (ringRefusal !== undefined) return { state, refusal: ringRefusal };
  const moves = movesTo(state, members, owners);
  if (state.staged.length === 0 && haveSameTargets(moves, state.moves)) {
    return refused(state, 'nothing_planned', 'no change is staged, and the ring is as it should be');
  }
  return reshaped(state, {
    members: withEmptiedExiting(members, state.owners, moves),
    moves,
    staged: [],
    removed: removedAfter(state),
  });
}

/**
 * Gives up the moves that have not begun, but for rebuilds: their partitions have no owner to stay with. A member that
 * was leaving and has a partition that stays is valid again, so that nobody waits for what will not come.
 */
export function cancelMoves(state: ClusterState): Folded {
  const moves = new Map(state.moves);
  for (const { partition, stage, from } of state.moves.values()) {
    if (stage === 'planned' && from !== undefined) moves.delete(partition);
  }
  if (moves.size === state.moves.size) return changed(state, {});
  let members = state.members;
  for (const [index, owner] of state.owners.entries()) {
    const stays = !moves.has(index as Partition) && members.get(owner)?.status === 'leaving';
    if (stays) members = withStatus(members, owner, 'cancelled');
  }
  return reshaped(state, { moves, members: withEmptiedExiting(members, state.owners, moves) });
}

/** The node that holds a partition until its move is over, whatever a plan says. */
export function pinnedOwner(
  move: Move | undefined,
  members: ReadonlyMap<NodeId, Member>,
): NodeId | undefined {
  if (move === undefined || !isSwitched(move.stage)) return undefined;
  if (!members.has(move.to)) return undefined;
  return move.from === undefined || members.has(move.from) ? move.to : undefined;
}

function refusalOfRing(
  state: ClusterState,
  members: ReadonlyMap<NodeId, Member>,
  owners: readonly NodeId[],
): CommandRefusal | undefined {
  if (owners.length !== state.owners.length) {
    const reason = `the ring has ${state.owners.length} partitions, the plan ${owners.length}`;
    return { code: 'bad_ring', reason };
  }
  for (const [partition, owner] of owners.entries()) {
    const pinned = pinnedOwner(state.moves.get(partition as Partition), members);
    if (pinned !== undefined && pinned !== owner) {
      const reason = `partition ${partition} has just come to ${pinned}, and must be released before it moves on`;
      return { code: 'moves_pending', reason };
    }
    const status = members.get(owner)?.status;
    const keeps = status === 'down' && state.owners[partition] === owner;
    if (status !== 'valid' && !keeps) {
      const reason = `partition ${partition} cannot go to ${owner}, who is ${status ?? 'no member'}`;
      return { code: 'bad_ring', reason };
    }
  }
  return undefined;
}

/** In the order of partitions. */
function movesTo(
  state: ClusterState,
  members: ReadonlyMap<NodeId, Member>,
  owners: readonly NodeId[],
): Map<Partition, Move> {
  const moves = new Map<Partition, Move>();
  for (const [index, to] of owners.entries()) {
    const partition = index as Partition;
    const owner = state.owners[partition];
    const before = state.moves.get(partition);
    if (before !== undefined && pinnedOwner(before, members) !== undefined) {
      moves.set(partition, before);
    } else if (owner !== to) {
      const from = members.has(owner) ? owner : undefined;
      const isUnderWay = before?.to === to && before.from === from && !isSwitched(before.stage);
      moves.set(
        partition,
        isUnderWay ? before : { partition, from, to, stage: 'planned', since: state.epoch },
      );
    }
  }
  return moves;
}

function haveSameTargets(a: ReadonlyMap<Partition, Move>, b: ReadonlyMap<Partition, Move>): boolean {
  return a.size === b.size && [...a].every(([partition, move]) => b.get(partition) === move);
}
