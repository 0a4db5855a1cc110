export type {
  CrdtOperation,
  CrdtType,
  CrdtValue,
  FieldOperation,
  FieldValue,
  MapEntry as DatatypeMapEntry,
  MapField as DatatypeMapField,
  MapFieldType,
  MapOperation,
  SetStep,
} from '../crdt/index.ts';
export type { RefusedWork } from './admission.ts';
export * from './anti-entropy/index.ts';
export type { StorageBackends } from './backend-rules.ts';
export {
  type BucketProperties,
  type BucketPropertyChanges,
  type CommitHook,
  defaultBucketProperties,
  type JsonValue,
  type ModFun,
  type PropertyProblem,
  type SyncOnWrite,
} from './bucket-properties.ts';
export type { BucketType, BucketTypeRefusal, BucketTypeStatus } from './bucket-type.ts';
export type { BucketTypes } from './bucket-types.ts';
export { ClusterRegistry } from './cluster-registry.ts';
export type { HookSettings } from './commit-hooks/index.ts';
export {
  type DatatypeFetch,
  type DatatypeFetchResult,
  type DatatypeSnapshot,
  DatatypeStore,
  type Datatypes,
  type DatatypeUpdateOutcome,
  type DatatypeUpdateRequest,
} from './datatype-store.ts';
export { doubtfulRanges, savedTreesRange } from './doubtful-ranges.ts';
export { dropBucketType } from './drop-bucket-type.ts';
export { BucketDrops, type Dropped } from './drops/index.ts';
export * from './feed/index.ts';
export { KvPartitionStore } from './handoff/index.ts';
export { canonicalIndexEntry, type IndexProblem } from './index-entry.ts';
export type { KeyValueParts, KeyValueSettings } from './key-value-parts.ts';
export {
  type BucketAddress,
  type DeleteRequest,
  type DeleteResult,
  type GetRequest,
  type GetResult,
  type KeyValueStore,
  KvFailure,
  type ListOptions,
  type NameStream,
  type ObjectAddress,
  type PutRequest,
  type PutResult,
  type ReadOptions,
  type ResultStream,
  type WriteOptions,
} from './key-value-store.ts';
export type { DatatypeError, KvError, QuorumName } from './kv-error.ts';
export { type KvObserver, silentObserver } from './kv-observer.ts';
export * from './large/index.ts';
export { LocalKeyValueStore } from './local-key-value-store.ts';
export { VersionedObject } from './object/index.ts';
export { type PreflistEntry, Preflists } from './preflists.ts';
export { parsePropertyChanges, propertiesToJson, ttlSecondsMax } from './property-rules.ts';
export type { PropertyDamage } from './property-store.ts';
export {
  bucketField,
  countOfKeys,
  estimateOfKeys,
  foldObjects,
  type IndexQuerying,
  type IndexRequest,
  type IndexResults,
  IndexUpkeep,
  type IndexUpkeepStatus,
  keyField,
  type QueryProblem,
  type RingSample,
  type TermRange,
} from './query/index.ts';
export * from './query/map-reduce/index.ts';
export {
  type QuorumValue,
  type QuorumWord,
  quorumAll,
  quorumCount,
  quorumOfWord,
  quorumOne,
  quorumToJson,
} from './quorum-value.ts';
export type { RegistryChange, RegistryEntry, RegistryOutcome } from './registry.ts';
export {
  BucketEntries,
  type DeleteMode,
  type IndexEntry,
  identityRange,
  isObjectEntry,
  layoutVersion,
  nodeFactKey,
  nodeRange,
  partitionRange,
  type ReplicaReply,
  type ReplicaRequest,
  replicaCodec,
  type StrayBytes,
} from './vnode/index.ts';
