/**
 * What a vnode's one place where objects are stored and removed tells anti-entropy, so that hash trees follow
 * what is on disk and not what was meant to be.
 *
 * S1  `observe` is called when the batch that holds the change has been committed, in the `done` of its
 *     `GroupCommit.write`: so calls come in the order in which the engine was changed.
 * S2  `before` is what `GroupCommit.get` said when the change was queued, queued writes included. So the changes of
 *     one key form a chain, each `before` being the `after` of the one before, also within one batch.
 * S3  Where the chain is broken (the batch failed; the copy that was replaced could not be read) `doubt` is
 *     called instead of, or before, `observe`: the partition is then folded anew.
 */
import type { Partition } from '../../core/ring/index.ts';
import type { VersionedObject } from '../object/index.ts';
import type { ObjectKey } from '../vnode/index.ts';

export interface StoredChanges {
  /** A committed change of one copy; undefined is absence. Cheap: about a microsecond, no promise. */
  observe(
    partition: Partition,
    key: ObjectKey,
    before: VersionedObject | undefined,
    after: VersionedObject | undefined,
  ): void;
  /** Something of the partition may be other than was observed. Cheap, and may be said many times. */
  doubt(partition: Partition): void;
}

/** For a store that keeps no trees. */
export const ignoredChanges: StoredChanges = {
  observe() {},
  doubt() {},
};
