export type {
  ClusterCommand,
  ClusterState,
  CommandRefusal,
  Member,
  MemberStatus,
  Move,
  MoveStage,
  RegistryEntry,
  StagedChange,
} from './cluster-state.ts';
export { SoloTopology, type Topology } from './topology.ts';
