/**
 * Which segment is collected next, and its collection in slices, each in the writers' turn. What makes a collection safe is in
 * `collect-segment.ts`.
 */
import { type Disk, DiskError, type Log } from '../../environment/index.ts';
import type { StorageError } from '../storage-engine.ts';
import { Collection } from './collect-segment.ts';
import { planCollection } from './collection-plan.ts';
import { IndexWalk } from './index-walk.ts';
import type { KeyIndex } from './key-index.ts';
import type { LogTuning } from './log-limits.ts';
import type { LogWriter } from './log-writer.ts';
import type { Segment, SegmentSet } from './segment.ts';

export interface CollectorParts {
  readonly disk: Disk;
  readonly directory: string;
  readonly tuning: LogTuning;
  readonly log: Log | undefined;
  readonly segments: SegmentSet;
  readonly index: KeyIndex;
  readonly writer: LogWriter;
  /** Between slices. Throws `Stopped`, as all that follows. */
  readonly pause: () => Promise<void>;
  /** Whether the index takes more writes. */
  readonly hasRoom: () => boolean;
  readonly freezeIfFull: () => Promise<void>;
  readonly inLogTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** Fails the engine, and throws. */
  readonly logFailed: (cause: unknown) => never;
}

export class SegmentCollector {
  readonly #parts: CollectorParts;
  /** Not again before the next start, or before they are the oldest: they could not be read. */
  readonly #unreadable = new Map<Segment, 'as the oldest' | 'as another'>();
  #hasUnsettledNames = false;
  #collectedBytes = 0;
  #copiedBytes = 0;
  #collections = 0;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
  }

  get collections(): number {
    return this.#collections;
  }

  /** Of the segments that were collected. */
  get collectedBytes(): number {
    return this.#collectedBytes;
  }

  /** What lived in them. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /** The segment that is due; undefined: none is. */
  victim(): Segment | undefined {
    const { segments, index, tuning } = this.#parts;
    const candidates: Segment[] = [];
    const oldest = segments.oldest();
    for (const segment of segments.all()) {
      if (segment.number >= index.durableCheckpoint.segment) break;
      const failed = this.#unreadable.get(segment);
      if (failed === undefined || (failed === 'as another' && segment === oldest)) candidates.push(segment);
    }
    return planCollection(candidates, oldest, tuning);
  }

  /** Rejects with what the disk refuses, but for reads of the segment itself: that one is left alone. */
  async collect(victim: Segment): Promise<void> {
    await this.#settleNames();
    const collection = new Collection(victim, this.#parts);
    try {
      await this.#inSlices(() => collection.copySlice());
      if (collection.isDamaged) {
        this.#parts.log?.error('a segment of the log is damaged', { segment: victim.number });
        await this.#copyIndexed(collection);
      }
    } catch (cause) {
      if (cause instanceof DiskError && cause.path === victim.file.path) {
        this.#unreadable.set(victim, collection.isOldest ? 'as the oldest' : 'as another');
        const error = cause.message;
        this.#parts.log?.error('a segment cannot be collected', { segment: victim.number, error });
        return;
      }
      throw cause;
    }
    await this.#parts.inLogTurn(() => this.#remove(victim));
    await this.#settleNames();
    this.#collections += 1;
    this.#collectedBytes += victim.bytes;
    this.#copiedBytes += collection.copiedBytes;
  }

  async #copyIndexed(collection: Collection): Promise<void> {
    const snapshot = this.#parts.index.snapshot();
    try {
      const failing = (error: StorageError): never => {
        throw error;
      };
      const walk = new IndexWalk(snapshot.sources(false, undefined, failing), false);
      await this.#inSlices(() => collection.copyIndexed(walk));
    } finally {
      await snapshot.release();
    }
  }

  async #inSlices(copy: () => Promise<boolean>): Promise<void> {
    for (let isMore = true; isMore; ) {
      isMore = await this.#slice(copy);
      await this.#parts.pause();
    }
  }

  async #slice(copy: () => Promise<boolean>): Promise<boolean> {
    const { hasRoom, pause, inLogTurn, freezeIfFull, writer, logFailed } = this.#parts;
    while (!hasRoom()) await pause();
    return await inLogTurn(async () => {
      try {
        const isMore = await copy();
        await freezeIfFull();
        return isMore;
      } catch (cause) {
        if (writer.isBroken) logFailed(cause);
        throw cause;
      }
    });
  }

  async #remove(victim: Segment): Promise<void> {
    const { segments, disk, writer, logFailed } = this.#parts;
    await writer.sync().catch(logFailed);
    await disk.remove(victim.file.path);
    this.#hasUnsettledNames = true;
    await segments.retire(victim);
  }

  /** A name that is removed comes back with the next crash until its directory is on disk (G3). */
  async #settleNames(): Promise<void> {
    if (!this.#hasUnsettledNames) return;
    await this.#parts.disk.syncDirectory(this.#parts.directory);
    this.#hasUnsettledNames = false;
  }
}
