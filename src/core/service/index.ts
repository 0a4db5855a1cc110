export { type ChangeOutcome, changeMembers } from './change-members.ts';
export { clusterOptions } from './cluster-options.ts';
export { type ClusterPeersParts, clusterPeers, tellWhoIsUp } from './cluster-peers.ts';
export { jsonCodec } from './json-codec.ts';
export { MemoryPartitions, type MemoryPartitionsParts } from './memory-partitions.ts';
export type { Outcome } from './outcome.ts';
export {
  type AskOptions,
  type PartitionService,
  type ServiceContext,
  ServiceNode,
  type ServiceNodeOptions,
  ServiceUnavailableError,
} from './service-node.ts';
export { firstPartition, partitionsOfName } from './service-place.ts';
