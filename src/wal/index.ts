/**
 * A write-ahead log: records with consecutive indices, group commit, checksums, repair. Public as `hale/wal`.
 * Begin with `WriteAheadLog.open`.
 */
export type { WalDone } from './change-queue.ts';
export type { WalDamage } from './recover.ts';
export { WalError, type WalErrorCode } from './wal-error.ts';
export { type WalLimits, walLimits } from './wal-limits.ts';
export { type WalEnvironment, type WalStats, WriteAheadLog } from './write-ahead-log.ts';
