/**
 * The state machine of the cluster log: a state and a command make the next state, the same on every node.
 *
 * - Every command raises the epoch by one, refused or not, so that all agree on it (C1).
 * - A command that decodes never throws, whatever it says: who wrote it may be another version, or late.
 * - What comes out is sound (soundness.ts) if what went in was.
 */
import { assert, unreachable } from '../../stdx/index.ts';
import type { ClusterCommand, ClusterState, Founding } from './cluster-state.ts';
import { cancelMoves, commitPlan } from './commit.ts';
import type { Folded } from './folded.ts';
import { admitMember, announceMember, expelMember, markMember } from './membership.ts';
import { advanceMoves } from './moves.ts';
import { registerFacts } from './registry.ts';
import { unsoundness, unsoundnessSince } from './soundness.ts';
import { clearStaged, stageChange } from './staging.ts';

/** The first state: one valid member that owns everything, at epoch 1 of generation 1. */
export function foundCluster({ clusterId, member, ringSize, targetN }: Founding): ClusterState {
  const state: ClusterState = {
    clusterId,
    generation: 1,
    epoch: 1,
    planBasis: 1,
    targetN,
    owners: new Array(ringSize).fill(member.node),
    ownedSince: new Array(ringSize).fill(1),
    members: new Map([[member.node, { ...member, status: 'valid' }]]),
    moves: new Map(),
    staged: [],
    removed: [],
    registry: new Map(),
  };
  assertSound(unsoundness(state));
  return state;
}

/** `before` is sound. */
export function fold(before: ClusterState, command: ClusterCommand): Folded {
  const folded = dispatch({ ...before, epoch: before.epoch + 1 }, command);
  assertSound(unsoundnessSince(before, folded.state));
  return folded;
}

/** `state` has the command's own epoch already. */
function dispatch(state: ClusterState, command: ClusterCommand): Folded {
  switch (command.kind) {
    case 'admit':
      return admitMember(state, command.member);
    case 'announce':
      return announceMember(state, command.member);
    case 'stage':
      return stageChange(state, command.change);
    case 'clear':
      return clearStaged(state);
    case 'cancel':
      return cancelMoves(state);
    case 'commit':
      return commitPlan(state, command);
    case 'mark':
      return markMember(state, command.node, command.status);
    case 'advance':
      return advanceMoves(state, command);
    case 'expel':
      return expelMember(state, command.node);
    case 'register':
      return registerFacts(state, command.changes);
    default:
      return unreachable(command);
  }
}

function assertSound(fault: string | undefined): void {
  assert(fault === undefined, `the cluster's state is sound: ${fault}`);
}
