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
export { SoloTopology, type Topology } from './topology.ts';
