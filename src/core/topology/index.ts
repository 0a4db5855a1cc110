export type {
  ClusterCommand,
  ClusterState,
  CommandRefusal,
  Founding,
  Member,
  MemberStatus,
  Move,
  MoveStage,
  RegistryEntry,
  StagedChange,
} from './cluster-state.ts';
export { decodeCommand, encodeCommand } from './command-codec.ts';
export { fold, foundCluster } from './fold.ts';
export type { Folded } from './folded.ts';
export { type HealthFacts, refusalsToCommit } from './health.ts';
export { LiveTopology, type LiveTopologyParts } from './live-topology.ts';
export { locationOf } from './member-location.ts';
export {
  commitPlanned,
  type Plan,
  type PlanInputs,
  type PlannedMove,
  type PlannedNode,
  type PlannedRisk,
  type PlanOutcome,
  planChanges,
} from './plan.ts';
export { recovered, recoveryEpochStep } from './recovery.ts';
export { nextStages, type StageFacts } from './stage-driver.ts';
export { decodeState, encodeState, stateDigest } from './state-codec.ts';
export { SoloTopology, type Topology } from './topology.ts';
export { chooseVoters, votersMax } from './voters.ts';
