export type { BucketTypeView, DropView } from './bucket-type-routes.ts';
export { parseSeed } from './cluster-admin/change-body.ts';
export { ClusterAdmin } from './cluster-admin/cluster-admin.ts';
export type {
  MemberView,
  MoveView,
  OverviewView,
  PlanView,
  RingView,
  TransfersView,
  TransferView,
} from './cluster-admin/cluster-views.ts';
export {
  type EnterOutcome,
  enterCluster,
  type GrowOutcome,
  growYoungCluster,
} from './cluster-admin/grow-young-cluster.ts';
export type { RiskView } from './cluster-admin/ring-risk-view.ts';
export { httpServerLimits } from './http-server-limits.ts';
export { keyValueSettings } from './key-value-settings.ts';
export type { NodeFacts, ProcessFacts } from './node-facts.ts';
export type { NodeStatus } from './node-status.ts';
export { bucketEntries, joinBackends } from './open-backends.ts';
export type { MetricsPage } from './prometheus-text.ts';
export type { Stats } from './riak-stats.ts';
export { StartError, type StartErrorCode } from './start-error.ts';
export { type HaleNode, type NodeParts, startNode } from './start-node.ts';
