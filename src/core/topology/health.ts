/** Why a cluster should not change its members now. An operator may insist; then the reasons are logged. */
import type { NodeId } from '../../environment/index.ts';
import type { ClusterState } from './cluster-state.ts';
import { membersAfter, refusalOfStaged } from './staging.ts';

export interface HealthFacts {
  readonly reachable: ReadonlySet<NodeId>;
  /** Members of which it is not known that they hold no stray data. */
  readonly withStrays: ReadonlySet<NodeId>;
  /** As far as known. */
  readonly freeBytes: ReadonlyMap<NodeId, number>;
  /** What the plan brings to each node; see `Plan.nodes`. */
  readonly incomingBytes: ReadonlyMap<NodeId, number>;
  /** What must stay free on each disk after the plan. */
  readonly freeBytesMin: number;
}

/**
 * Reasons to refuse a commit, for people; none: the cluster is healthy. Members that the staged changes remove for good
 * are no reason: that they are ill is why.
 */
export function refusalsToCommit(state: ClusterState, facts: HealthFacts): readonly string[] {
  const reasons: string[] = [];
  const refusal = refusalOfStaged(state);
  if (refusal !== undefined) reasons.push(refusal.reason);
  if (state.moves.size > 0) reasons.push(`${state.moves.size} partitions still move`);
  const staying = refusal === undefined ? membersAfter(state.members, state.staged) : state.members;
  for (const node of [...staying.keys()].sort()) {
    if (staying.get(node)!.status === 'down') reasons.push(`${node} is marked down`);
    else if (!facts.reachable.has(node)) reasons.push(`${node} cannot be reached`);
    else if (facts.withStrays.has(node)) reasons.push(`${node} holds data that waits to be handed off`);
    const left = (facts.freeBytes.get(node) ?? Infinity) - (facts.incomingBytes.get(node) ?? 0);
    if (left < facts.freeBytesMin) reasons.push(`the disk of ${node} is too full`);
  }
  return reasons;
}
