/** `GET /admin/v1/ring/risk`: what several failures at once would cost. */
import {
  assessRing,
  type ClusterState,
  type FailureUnit,
  failureSetCount,
  failureSetsMax,
  failureUnits,
  locationOf,
  type RingNode,
  ringRisk,
} from '../../core/index.ts';
import { AdminFailure, badRequest } from './admin-failure.ts';

export interface RiskQuestion {
  readonly failures: number;
  readonly unit: FailureUnit;
  /** The length of the preference lists. */
  readonly replicas: number;
}

export interface RiskView {
  readonly failures: number;
  readonly unit: FailureUnit;
  readonly replicas: number;
  readonly sets: number;
  readonly sets_losing_all: number;
  readonly sets_losing_quorum: number;
  readonly probability_of_all_lost: number;
  readonly probability_of_quorum_lost: number;
  readonly replica_sets: number;
  readonly worst: readonly {
    readonly units: readonly string[];
    readonly lists_losing_all: number;
    readonly lists_losing_quorum: number;
  }[];
}

/** The node answers requests of clients meanwhile: a question that takes longer than a blink is refused. */
const stepsMax = 20_000_000;
const failuresMax = 10;

/** Of the ring as it is, not as it will be. Throws `AdminFailure`. */
export function riskView(state: ClusterState, { failures, unit, replicas }: RiskQuestion): RiskView {
  const { owners } = state;
  if (!Number.isInteger(failures) || failures < 1 || failures > failuresMax) {
    throw badRequest(`failures must be a number from 1 to ${failuresMax}`);
  }
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > owners.length) {
    throw badRequest(`n must be a number from 1 to ${owners.length}`);
  }
  const nodes = ringNodes(state);
  const units = failureUnits(owners, nodes, unit).length;
  const sets = failureSetCount(units, failures);
  const steps = sets * replicas * (owners.length / Math.max(1, units));
  if (sets > failureSetsMax || steps > stepsMax) {
    throw new AdminFailure(400, 'too_many_sets', `${sets} sets of failures are too many to try`);
  }
  const risk = ringRisk(owners, nodes, replicas, failures, unit);
  return {
    failures,
    unit,
    replicas,
    sets: risk.sets,
    sets_losing_all: risk.setsLosingAll,
    sets_losing_quorum: risk.setsLosingQuorum,
    probability_of_all_lost: risk.probabilityOfAllLost,
    probability_of_quorum_lost: risk.probabilityOfQuorumLost,
    replica_sets: assessRing(owners, nodes, replicas).replicaSets,
    worst: risk.worst.map((set) => ({
      units: set.units,
      lists_losing_all: set.allLost,
      lists_losing_quorum: set.quorumLost,
    })),
  };
}

/** Those that own something. */
function ringNodes({ owners, members }: ClusterState): readonly RingNode[] {
  const owning = new Set(owners);
  return [...members.values()]
    .filter(({ node }) => owning.has(node))
    .map((member) => ({ node: member.node, location: locationOf(member) }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}
