export type { FoldOptions, PartitionFold, PartitionStore } from './partition-store.ts';
export { openGate, type WriteGate } from './write-gate.ts';
