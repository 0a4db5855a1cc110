export { type CoveragePlan, type CoverageStep, planCoverage } from './coverage-plan.ts';
export {
  CoverageFailure,
  type CoverageFailureCode,
  type CoverageParts,
  type CoverageQuery,
  CoverageWalk,
} from './coverage-walk.ts';
export { OrderedMerge } from './ordered-merge.ts';
export {
  type WalkFailure,
  type WalkReply,
  type WalkRequest,
  type WalkStep,
  walkCodec,
} from './walk-protocol.ts';
export {
  type CoverageService,
  type Ownership,
  type PartitionWalk,
  WalkError,
  type WalkLimits,
  WalkService,
  walkLimits,
} from './walk-service.ts';
