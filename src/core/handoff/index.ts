export type { TransferRefusal } from './admit-transfer.ts';
export { HANDOFF_OPTIONS, type HandoffOptions, handoffOptions } from './handoff-options.ts';
export type { MissedWritesLimits } from './missed-writes.ts';
export { type GateControl, MoveGate, type MoveGateParts } from './move-gate.ts';
export type { MoveReport } from './own-moves.ts';
export { keeperOf, type PartitionRole, roleIn } from './partition-role.ts';
export {
  type FoldOptions,
  type MergeOptions,
  type PartitionFold,
  type PartitionStore,
  PartitionStoreError,
} from './partition-store.ts';
export type { TransferPurpose, TransferRefusalCode } from './transfer-message.ts';
export type { TransferStatus } from './transfer-pool.ts';
export { TransferScheduler, type TransferSchedulerParts } from './transfer-scheduler.ts';
export { openGate, type WriteGate } from './write-gate.ts';
