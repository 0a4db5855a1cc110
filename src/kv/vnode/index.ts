export { BucketEntries, entriesNameOf, entriesNameOfType } from './bucket-entries.ts';
export { changeDerived, derivedKeys } from './derived-entries.ts';
export { ExpiryTimes } from './expiry-times.ts';
export { entryAt, type IndexEntry, isIntegerIndex, placeOf, termPlace } from './index-place.ts';
export {
  addressOf,
  bucketRange,
  bucketTypeRange,
  derivedRange,
  expiryRange,
  feedFloorKey,
  feedRange,
  identityKey,
  identityRange,
  indexKeyOf,
  indexPrefix,
  isObjectEntry,
  layoutVersion,
  nameBytesMax,
  nodeFactKey,
  nodeRange,
  objectsRange,
  partitionRange,
  partitionsRange,
  prefixBytes,
  readExpiry,
  reapedRange,
  sectionFeed,
  sectionTombstones,
  successor,
  tombstonesRange,
} from './key-layout.ts';
export {
  type CoordinatedPut,
  type CoordinatedPutResult,
  KvVnodes,
} from './kv-vnodes.ts';
export { stateOfFact } from './node-fact.ts';
export { ObjectKey } from './object-key.ts';
export { expiryMarginMsDefault, type ObjectLimits } from './object-limits.ts';
export { ReapedVersions, reapedMsMin } from './reaped-versions.ts';
export { isReapingSafe } from './reaping-rule.ts';
export { replicaCodec } from './replica-codec.ts';
export type {
  ReplicaCoordinate,
  ReplicaDelta,
  ReplicaGet,
  ReplicaPut,
  ReplicaReap,
  ReplicaReply,
  ReplicaRequest,
  WriteRules,
} from './replica-protocol.ts';
export { StrayBytes } from './stray-bytes.ts';
export { type DeleteMode, TombstoneReaper } from './tombstone-reaper.ts';
export { VnodeIdentities } from './vnode-identities.ts';
