import { PartitionStoreError } from '../../core/handoff/index.ts';
import { StorageError } from '../../storage/index.ts';

/** The error of the framework for one of storage; anything else is a bug, and is thrown as it is. */
export function storeFailure(error: unknown, doing: string): PartitionStoreError {
  if (error instanceof PartitionStoreError) return error;
  if (!(error instanceof StorageError)) throw error;
  const code = error.code === 'full' ? 'full' : 'storage';
  return new PartitionStoreError(code, `${doing}: ${error.message}`, { cause: error });
}
