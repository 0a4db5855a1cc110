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
export { recovered, recoveryEpochStep } from './recovery.ts';
export { decodeState, encodeState, stateDigest } from './state-codec.ts';
export { SoloTopology, type Topology } from './topology.ts';
