export {
  type Cursor,
  type CursorLimits,
  type Durability,
  type Entry,
  type KeyRange,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  type StorageErrorCode,
  type StorageHealth,
  WriteBatch,
} from './storage-engine.ts';
