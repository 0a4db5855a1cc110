/** The plan of what is staged, with what the members say of themselves, and why not to commit it now. */
import {
  type ClusterState,
  type HealthFacts,
  type LivenessView,
  type Partition,
  type Plan,
  planChanges,
  refusalsToCommit,
} from '../../core/index.ts';
import type { NodeId } from '../../environment/index.ts';
import { AdminFailure } from './admin-failure.ts';
import type { NodeReport } from './node-report.ts';

/** What must stay free on each disk after a plan. */
const freeBytesMin = 1024 ** 3;
/** What one node sends, and takes, where no limit is configured and nothing is known of its network: a guess for plans. */
const bytesPerSecondGuess = 50 * 1024 ** 2;

export interface PlanSettings {
  /** 0: no limit. */
  readonly handoffRateMax: number;
  /** `n_val` of most buckets. */
  readonly replicas: number;
}

export interface HealthSources {
  readonly self: NodeId;
  readonly liveness: Pick<LivenessView, 'reachability' | 'hasStrays'>;
  readonly reports: ReadonlyMap<NodeId, NodeReport>;
}

/** Throws `AdminFailure` if there is nothing to plan, or what is staged is not possible any more. */
export function planOfStaged(
  state: ClusterState,
  reports: ReadonlyMap<NodeId, NodeReport>,
  settings: PlanSettings,
): Plan {
  const bytesOf = new Map<Partition, number>();
  for (const [node, { partitionBytes }] of reports) {
    for (const [partition, bytes] of partitionBytes) {
      if (state.owners[partition] === node) bytesOf.set(partition, bytes);
    }
  }
  const outcome = planChanges(state, {
    bytesOf,
    bytesPerSecond:
      settings.handoffRateMax === 0
        ? bytesPerSecondGuess
        : Math.min(bytesPerSecondGuess, settings.handoffRateMax),
    replicas: settings.replicas,
  });
  if (outcome.kind === 'planned') return outcome.plan;
  throw new AdminFailure(409, outcome.refusal.code, outcome.refusal.reason);
}

/** Reasons to refuse the plan; without one, what is wrong with the cluster as it is. */
export function healthProblems(
  state: ClusterState,
  sources: HealthSources,
  plan?: Pick<Plan, 'nodes'>,
): readonly string[] {
  return refusalsToCommit(state, healthFacts(state, sources, plan));
}

function healthFacts(
  state: ClusterState,
  { self, liveness, reports }: HealthSources,
  plan: Pick<Plan, 'nodes'> | undefined,
): HealthFacts {
  const nodes = [...state.members.keys()];
  const freeBytes = new Map<NodeId, number>();
  for (const [node, report] of reports) {
    if (report.freeBytes !== undefined) freeBytes.set(node, report.freeBytes);
  }
  return {
    reachable: new Set(nodes.filter((node) => node === self || liveness.reachability(node) !== 'dead')),
    withStrays: new Set(nodes.filter((node) => liveness.hasStrays(node))),
    freeBytes,
    incomingBytes: new Map((plan?.nodes ?? []).map(({ node, bytesIn }) => [node, bytesIn])),
    freeBytesMin,
  };
}
