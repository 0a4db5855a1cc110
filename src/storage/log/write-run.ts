/** Writes what sources hold as one run: from one of them a flush, from several a merge. In slices. */
import type { Disk } from '../../environment/index.ts';
import type { BlockCache } from './block-cache.ts';
import { isHidden } from './deleted-ranges.ts';
import type { EntrySource } from './entry-source.ts';
import { IndexWalk } from './index-walk.ts';
import { SLICE_ENTRIES_MAX } from './log-limits.ts';
import { type DeletedRange, RECORD_DELETE, RECORD_HEAD_BYTES } from './log-record.ts';
import type { Position } from './position.ts';
import { Run } from './run.ts';
import { RunWriter } from './run-writer.ts';
import { runPath } from './segment-header.ts';

export type DeadRecords = readonly {
  readonly segment: number;
  readonly bytes: number;
  readonly isTombstone: boolean;
}[];

export interface WriteRunOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly number: number;
  readonly entriesMax: number;
  /** Nothing older is left that a tombstone would have to hide. */
  readonly isOldest: boolean;
  readonly ranges: readonly DeletedRange[];
  /** `ranges` are all that were deleted before this. */
  readonly purgedTo: Position;
  readonly cache: BlockCache;
  readonly pause: () => Promise<void>;
}

/**
 * Sources are newest first. Resolves with no run if nothing is left. Rejects with `DiskError`, or `StorageError` if
 * a source is damaged; then nothing has changed, and the file is removed if that is possible.
 */
export async function writeRun(
  sources: readonly EntrySource[],
  options: WriteRunOptions,
): Promise<{ readonly run: Run | undefined; readonly dead: DeadRecords }> {
  const { disk, directory, number, purgedTo } = options;
  const dead = new DeadCount();
  const writer = await RunWriter.create(disk, directory, number, options.entriesMax);
  try {
    await writeEntries(new IndexWalk(sources, false, (entry) => dead.add(entry)), writer, dead, options);
    if (writer.entries > 0) {
      await writer.finish();
      await disk.syncDirectory(directory);
      return { run: await Run.open(disk, directory, number, purgedTo, options.cache), dead: dead.records() };
    }
    await writer.abandon();
    await disk.remove(runPath(directory, number));
    return { run: undefined, dead: dead.records() };
  } catch (cause) {
    await writer.abandon().catch(() => undefined); // what failed before says more
    await disk.remove(runPath(directory, number)).catch(() => undefined); // the next start removes it
    throw cause;
  }
}

async function writeEntries(
  walk: IndexWalk,
  writer: RunWriter,
  dead: DeadCount,
  { ranges, isOldest, pause }: WriteRunOptions,
): Promise<void> {
  for (let count = 1; walk.next(); count++) {
    const { entry } = walk;
    const { key, keyBytes, kind, segment, offset } = entry;
    if (ranges.length > 0 && isHidden(ranges, key, keyBytes, segment, offset)) dead.add(entry);
    else if (!isOldest || kind !== RECORD_DELETE) {
      writer.add(key, keyBytes, kind, segment, offset, entry.length);
    }
    if (writer.wantsFlush) await writer.flush();
    if (count % SLICE_ENTRIES_MAX === 0) await pause();
  }
}

class DeadCount {
  readonly #bytes = new Map<number, number>();
  readonly #tombstones = new Map<number, number>();

  add({ kind, segment, keyBytes, length }: EntrySource): void {
    const counts = kind === RECORD_DELETE ? this.#tombstones : this.#bytes;
    counts.set(segment, (counts.get(segment) ?? 0) + RECORD_HEAD_BYTES + keyBytes + length);
  }

  records(): DeadRecords {
    return [
      ...[...this.#bytes].map(([segment, bytes]) => ({ segment, bytes, isTombstone: false })),
      ...[...this.#tombstones].map(([segment, bytes]) => ({ segment, bytes, isTombstone: true })),
    ];
  }
}
