/**
 * Forgets entries of keys that were deleted long ago, and of buckets that keep no feed any more: else feeds would grow
 * with all that ever was. Everything else in a feed is about what is stored.
 *
 * T1  An entry goes only if its object is gone, as queued writes have it, and it is older than the retention by this
 *     node's clock; or if its bucket keeps no feed.
 * T2  In the batch that forgets an entry the floor is raised to it: a reader who is not yet behind it is told of a gap.
 */
import type { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { Environment } from '../../environment/index.ts';
import { type GroupCommit, StorageError } from '../../storage/index.ts';
import { BackgroundTask } from '../anti-entropy/index.ts';
import { feedRange, ObjectKey } from '../vnode/index.ts';
import { decodeEntryValue, type FeedEntries } from './feed-entries.ts';
import { feedPlaceBytes } from './feed-place.ts';

export interface FeedTrimSettings {
  /** Milliseconds that a feed tells of a deletion. */
  readonly deletionsMs: number;
  /** Milliseconds between two looks at all feeds. */
  readonly intervalMs: number;
}

export interface FeedTrimParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'log'>;
  readonly commit: GroupCommit;
  readonly topology: Topology;
  readonly entries: FeedEntries;
  readonly settings: FeedTrimSettings;
}

const sliceLimits = { entriesMax: 500, bytesMax: 256 * 1024 };
/** A look reads no more entries a second than this. */
const perSecondMax = 20_000;

export class FeedTrim {
  readonly #parts: FeedTrimParts;
  readonly #task: BackgroundTask;
  #trimmed = 0;

  constructor(parts: FeedTrimParts) {
    this.#parts = parts;
    this.#task = new BackgroundTask('feed: trim', parts.environment);
  }

  /** Entries that were forgotten. */
  get trimmed(): number {
    return this.#trimmed;
  }

  /** Once. Nothing is looked at before this node has an entry. */
  start(): void {
    this.#parts.entries.onUsed(() => this.#begin());
  }

  stop(): void {
    this.#task.stop();
  }

  close(): Promise<void> {
    return this.#task.close();
  }

  #begin(): void {
    this.#task.start(async () => {
      while (!this.#task.pause.isClosed) {
        await this.#task.pause.for(this.#parts.settings.intervalMs);
        await this.#lookAround();
      }
    });
  }

  async #lookAround(): Promise<void> {
    for (const partition of this.#parts.topology.ring.partitions()) {
      if (this.#task.pause.isClosed) return;
      try {
        await this.trim(partition);
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        const { message: reason } = error;
        this.#parts.environment.log.warn('a feed could not be trimmed; it is tried again', {
          partition,
          reason,
        });
      }
    }
  }

  /** Rejects with `StorageError`. */
  async trim(partition: Partition): Promise<void> {
    const { engine } = this.#parts.commit;
    const cursor = engine.scan(feedRange(partition), { corrupt: () => {} });
    try {
      for (;;) {
        const slice = await cursor.next(sliceLimits);
        if (slice.length === 0 || this.#task.pause.isClosed) return;
        for (const { key, value } of slice) this.#look(partition, key, value);
        await this.#task.pause.for((slice.length / perSecondMax) * 1000);
      }
    } finally {
      await cursor.close();
    }
  }

  /** Also if it is damaged: one such object keeps its own entry, and no other. Throws `StorageError`. */
  #isThere(partition: Partition, key: ObjectKey): boolean {
    try {
      return this.#parts.commit.get(key.copy(partition)) !== undefined;
    } catch (error) {
      if (error instanceof StorageError && error.code === 'corrupt') return true;
      throw error;
    }
  }

  /** Reads what is queued and queues what it makes of it in one turn. */
  #look(partition: Partition, entry: Buffer, value: Buffer): void {
    const { commit, entries, environment, settings } = this.#parts;
    const named = ObjectKey.ofFeedEntry(entry, feedPlaceBytes);
    const read = decodeEntryValue(value);
    if (named === undefined || read === undefined) return;
    const { key, place } = named;
    const isKept = entries.keeps(key);
    const isOld = read.micros <= environment.clock.wallMicros() - settings.deletionsMs * 1000;
    if (isKept && (!isOld || this.#isThere(partition, key))) return;
    this.#trimmed += 1;
    commit.write(
      'os',
      (batch) => entries.trim(batch, partition, key, place),
      () => {},
    );
  }
}
