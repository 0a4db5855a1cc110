export {
  addressOf,
  bucketRange,
  bucketTypeRange,
  identityKey,
  identityRange,
  layoutVersion,
  nameBytesMax,
  nodeFactKey,
  ObjectKey,
  partitionRange,
} from './key-layout.ts';
export { type CoordinatedPut, KvVnodes, type ObjectLimits } from './kv-vnodes.ts';
export type { ReplicaPut, ReplicaReply, ReplicaRequest } from './replica-protocol.ts';
export { type DeleteMode, TombstoneReaper } from './tombstone-reaper.ts';
export { VnodeIdentities } from './vnode-identities.ts';
