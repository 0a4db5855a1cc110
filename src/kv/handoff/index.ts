export { KvPartitionStore, type KvPartitionStoreParts } from './kv-partition-store.ts';
export type { BucketPlacement } from './object-fold.ts';
