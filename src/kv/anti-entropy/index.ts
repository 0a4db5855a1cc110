export {
  AntiEntropy,
  type AntiEntropyParts,
  type AntiEntropySettings,
  type ExchangeAccess,
} from './anti-entropy.ts';
export type { AntiEntropyStatus, ExchangeStatus, PartitionTreesStatus } from './anti-entropy-status.ts';
export { BackgroundTask } from './background-task.ts';
export { Pause } from './pause.ts';
export type { Placement, Placements } from './placements.ts';
export type { ReplicaRouter } from './repair-key.ts';
export { savedTreesMark } from './saved-trees.ts';
export { ignoredChanges, type StoredChanges } from './stored-changes.ts';
