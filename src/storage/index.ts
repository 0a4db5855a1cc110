/**
 * Storage: one interface (storage-engine.ts), its conformance suite (storage-engine-conformance.ts, which
 * every engine's test runs), the engines, and group commit over any of them.
 */
export { cachedEngine } from './cache/cached-engine.ts';
export {
  type CommitDone,
  GROUP_COMMIT_LIMITS,
  GroupCommit,
  type GroupCommitLimits,
  type GroupCommitStats,
} from './group-commit.ts';
export { type LastRuns, lastRunsOf, markDamagedBlocks } from './leveldb/damaged-tables.ts';
export { type LevelTuning, openLevelDatabase } from './leveldb/level-database.ts';
export { type LevelEngineOptions, openLevelEngine } from './leveldb/level-engine.ts';
export { type RepairMark, RepairMarkFile } from './leveldb/repair-mark.ts';
export type { JournalDamage } from './memory/journal-replay.ts';
export { type MemoryEngineOptions, openMemoryEngine } from './memory/open-memory-engine.ts';
export type { Backend } from './multi/backend.ts';
export { BackendMoves } from './multi/backend-moves.ts';
export { BackendSizes } from './multi/backend-sizes.ts';
export type { KeyPlaces } from './multi/key-places.ts';
export { MultiEngine } from './multi/multi-engine.ts';
export {
  type BackendDoubt,
  type MultiEngineOptions,
  openMultiEngine,
  refuseSeveralBackends,
} from './multi/open-multi-engine.ts';
export { type BackendRules, home as homeBackend } from './multi/placements.ts';
export {
  type Cursor,
  type CursorLimits,
  type Durability,
  type EngineGauge,
  type Entry,
  type KeyRange,
  PartlyWritten,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  type StorageErrorCode,
  type StorageHealth,
  WriteBatch,
} from './storage-engine.ts';
