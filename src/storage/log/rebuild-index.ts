/**
 * Builds the runs of the index anew from the log before the checkpoint, while the engine serves: a second index is
 * filled from the log, and its runs take the place of those that were there when it was begun. Collection waits
 * meanwhile, so that no record moves; runs that are written out in between are newer and stay.
 */
import type { KeyIndexParts } from './key-index.ts';
import { KeyIndex } from './key-index.ts';
import type { LogTuning } from './log-limits.ts';
import { type LogDamage, type LogFile, mustBeRead, scanSegment } from './log-scan.ts';
import { LOG_START, type Position } from './position.ts';
import { replayLog } from './replay-log.ts';
import type { Segment, SegmentSet } from './segment.ts';

/** A frame is a batch: some thirty records under load. */
const FRAMES_BETWEEN_PAUSES = 32;

export interface RebuildParts {
  readonly index: KeyIndex;
  readonly segments: SegmentSet;
  readonly parts: KeyIndexParts;
  readonly tuning: LogTuning;
  /** Up to where segments were on disk when the next one was begun: their files may have lost some of it. */
  readonly sealedEnds: ReadonlyMap<number, number>;
  /** True: rejects if the disk refuses a read, which it may not do the next time. False: what it refuses is damaged. */
  readonly mustReadAll: boolean;
  /** Rot was met that hides keys: before what is built serves, and then, at once, when older entries may show. */
  readonly emptyDoubtful: () => Promise<void>;
  readonly doubted: () => void;
}

/**
 * Resolves with the damage that was met. Rejects with `DiskError` or `StorageError`; then nothing has changed, or the
 * runs that were built serve and the manifest does not name them yet.
 */
export async function rebuildIndex({
  index,
  segments,
  parts,
  tuning,
  sealedEnds,
  mustReadAll,
  emptyDoubtful,
  doubted,
}: RebuildParts): Promise<readonly LogDamage[]> {
  const { checkpoint: to, runs: old } = index;
  const built = new KeyIndex({
    ...parts,
    dead: () => undefined,
    persist: async () => undefined,
  });
  const writeOut = async (position: Position): Promise<void> => {
    built.freeze(position);
    await built.flush();
    while (await built.merge());
  };
  const fileOf = ({ file }: Segment): LogFile => (mustReadAll ? mustBeRead(file) : file);
  let frames = 0;
  let damages: readonly LogDamage[];
  let hidesKeys = false;
  try {
    damages = await replayLog({
      segments,
      index: built,
      from: LOG_START,
      to,
      // All of it is on disk, up to where each of them ends.
      scan: (segment, from) => {
        const sealedEnd = sealedEnds.get(segment.number) ?? segment.end;
        const end = segment.number === to.segment ? to.offset : sealedEnd;
        return scanSegment(fileOf(segment), segment.number, from, end);
      },
      fileOf,
      countsTombstones: false,
      applied: async (position) => {
        frames += 1;
        if (frames % FRAMES_BETWEEN_PAUSES === 0) await parts.pause();
        if (built.memtableEntries >= tuning.memtableEntriesMax) await writeOut(position);
      },
    });
    if (built.memtableEntries > 0) await writeOut(to);
    hidesKeys = damages.some(({ kind }) => kind === 'rot that hides keys');
    if (hidesKeys) await emptyDoubtful();
  } catch (cause) {
    await built.discard().catch(() => undefined); // the next start removes what is left
    throw cause;
  }
  // What rot hides may be the deletion of a range that is still known here.
  if (hidesKeys) {
    for (const { segment, offset } of index.ranges) {
      for (const run of built.runs) run.missed({ segment, offset });
    }
  }
  // From here on its runs serve, also if no manifest can be written yet.
  const replaced = index.replaceRuns(old, built);
  if (hidesKeys) doubted();
  await replaced;
  return damages;
}
