export type { ClusterLog, ProposeOutcome } from './cluster-log.ts';
export {
  type ClusterLogOptions,
  clusterLogOptions,
  defaultClusterLogOptions,
} from './cluster-log-options.ts';
export type { ReadyFor } from './cluster-message.ts';
export { groupOfOne } from './founding.ts';
export type { JoinOutcome } from './join-cluster.ts';
export { defaultLeaderOptions, type LeaderOptions } from './leader-duties.ts';
export { LivenessDriver, type LivenessDriverParts } from './liveness-driver.ts';
export { LogJournal } from './log-journal.ts';
export { Cluster, type ClusterOptions, type NodeFaces } from './open-cluster.ts';
export type { RecoverOutcome } from './recover-cluster.ts';
export {
  type ClusterLogParts,
  type ClusterLogStatus,
  ReplicatedClusterLog,
} from './replicated-cluster-log.ts';
export { ClusterOpenError } from './restore-journal.ts';
