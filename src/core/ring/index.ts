export { type ClaimRequest, claimOwners, replaceOwner } from './claim.ts';
export { targetNMax } from './claim-problem.ts';
export {
  distinctNodes,
  type FallbackChoice,
  type PreferenceList,
  preferenceList,
  primariesOf,
  type Replica,
} from './preference-list.ts';
export { isRingSize, type Partition, Ring, type RingHash, ringSizeMax, ringSizeMin } from './ring.ts';
export { locationsOf, type RingNode } from './ring-node.ts';
export { assessRing, type RingReport, type Violations, violationsListedMax } from './ring-report.ts';
export {
  type FailureSet,
  type FailureUnit,
  failureSetCount,
  failureSetsListedMax,
  failureSetsMax,
  failureUnits,
  type RingRisk,
  ringRisk,
} from './ring-risk.ts';
export { movesBetween, movesMin, type PartitionMove } from './ring-transition.ts';
