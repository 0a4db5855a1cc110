import { DiskError } from '../../environment/index.ts';
import { StorageError } from '../storage-engine.ts';

/** A failure of the disk as the engine's callers know it. A bug is not one: it goes on up. */
export function diskFailure(cause: unknown, doing: string): StorageError {
  if (cause instanceof StorageError) return cause;
  if (!(cause instanceof DiskError)) throw cause;
  return new StorageError(cause.code === 'full' ? 'full' : 'io', `${doing}: ${cause.message}`, { cause });
}
