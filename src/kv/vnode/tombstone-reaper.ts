/**
 * Forgets tombstones that every replica is known to hold (spec'd as Riak's `delete_mode`).
 *
 * Until then a tombstone is a value like any other: replicated, repaired, listed. Forgetting is a
 * delete of exactly the bytes that were seen: a write in between keeps its object.
 */
import type { Partition } from '../../core/ring/index.ts';
import type { Log, Timers } from '../../environment/index.ts';
import { type GroupCommit, StorageError } from '../../storage/index.ts';
import type { KvObserver } from '../kv-observer.ts';
import type { VersionedObject } from '../object/index.ts';
import { PostponedWork } from '../postponed-work.ts';
import type { ObjectKey } from './key-layout.ts';

/** Keep for ever; remove at once; or remove after so many milliseconds without a change. */
export type DeleteMode = 'keep' | 'immediate' | number;

/** Tombstones that wait for their time. Beyond this the next read of the key tries again. */
const waitingMax = 100_000;

export class TombstoneReaper {
  readonly #commit: GroupCommit;
  readonly #mode: DeleteMode;
  readonly #observer: KvObserver;
  readonly #log: Log;
  readonly #postponed: PostponedWork;

  constructor(parts: {
    readonly commit: GroupCommit;
    readonly timers: Timers;
    readonly mode: DeleteMode;
    readonly observer: KvObserver;
    readonly log: Log;
  }) {
    this.#commit = parts.commit;
    this.#postponed = new PostponedWork(parts.timers, waitingMax);
    this.#mode = parts.mode;
    this.#observer = parts.observer;
    this.#log = parts.log;
  }

  reap(partition: Partition, key: ObjectKey, tombstone: VersionedObject): void {
    if (this.#mode === 'keep') return;
    if (this.#mode === 'immediate') {
      this.#remove(partition, key, tombstone);
      return;
    }
    this.#postponed.postpone(this.#mode, () => this.#remove(partition, key, tombstone));
  }

  /** What waits is left to a read after the next start. */
  close(): void {
    this.#postponed.close();
  }

  #remove(partition: Partition, key: ObjectKey, tombstone: VersionedObject): void {
    if (!this.#isStill(partition, key, tombstone)) return;
    this.#commit.write(
      'os',
      (batch) => batch.delete(key.copy(partition)),
      (error) => {
        if (error === undefined) this.#observer.tombstoneReaped();
        else this.#log.warn('could not remove a tombstone; a later read will', { reason: error.message });
      },
    );
  }

  #isStill(partition: Partition, key: ObjectKey, tombstone: VersionedObject): boolean {
    try {
      return this.#commit.get(key.borrow(partition))?.equals(tombstone.bytes) ?? false;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      // Unreadable: reported by whoever reads it for a client; a tombstone that is not seen is not removed.
      return false;
    }
  }
}
