import type { GroupCommit } from '../../storage/index.ts';

/** Resolves when every write that was queued before this call has been committed, or has failed. */
export function queuedIsWritten(commit: GroupCommit): Promise<void> {
  return new Promise((resolve) => {
    commit.write(
      'os',
      () => {},
      () => resolve(),
    );
  });
}
