/**
 * Going on without a majority of voters: an operator's last resort, made from what the survivors know and not by a
 * command, since there is no log to take one.
 */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { ClusterState, Member } from './cluster-state.ts';
import { withStatus } from './membership.ts';

/**
 * How far a new generation's epochs begin beyond the survivors'. The lost majority may have agreed on commands that no
 * survivor knows, and requests are fenced by the epoch alone: no epoch of the old generation may reach into the
 * new one.
 */
export const recoveryEpochStep = 2 ** 20;

/**
 * The first state of the next generation. Owners and moves stay; valid members that do not survive are `down`, so
 * that they take their place again if they come back (`mark`), or are removed by a plan. What was staged is
 * forgotten. Asserts that some survivor is a member that may vote; names that are no members are passed over.
 */
export function recovered(state: ClusterState, survivors: ReadonlySet<NodeId>): ClusterState {
  let members: ReadonlyMap<NodeId, Member> = state.members;
  for (const { node } of state.members.values()) {
    if (!survivors.has(node)) members = withStatus(members, node, 'lost');
  }
  assert(
    [...members.values()].some(({ node, status }) => survivors.has(node) && status === 'valid'),
    'somebody who survives is valid',
  );
  const epoch = state.epoch + recoveryEpochStep;
  return { ...state, generation: state.generation + 1, epoch, planBasis: epoch, members, staged: [] };
}
