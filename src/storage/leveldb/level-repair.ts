/**
 * What to do with a database whose files are damaged. A damaged block that a compaction meets stops all
 * writes for good, and one that is read at the start prevents it; LevelDB's own repair keeps every entry
 * that can be read and drops the rest, which other replicas have.
 *
 * It reads all files, writes them anew, and forgets which entries were lost: their keys are missing afterwards, or show
 * an older value. So it comes last, after opening the database again has not helped; and what its owner must
 * not see as it once was, is removed.
 */
import type { Log } from '../../environment/index.ts';
import { StorageError } from '../storage-engine.ts';
import type { LevelRange } from './level-cursor.ts';
import type { LevelDatabase, LevelTuning, OpenLevelDatabase } from './level-database.ts';
import { storageErrorOf } from './level-error.ts';
import { isEmpty, isMarked, writeMarker } from './level-format.ts';
import type { RepairMark } from './repair-mark.ts';

const SLICE_ENTRIES_MAX = 4096;
const SLICE_BYTES_MAX = 1024 * 1024;

export type RepairLevelDatabase = (directory: string) => Promise<void>;

export interface LevelRepairParts {
  readonly directory: string;
  readonly tuning: LevelTuning;
  readonly open: OpenLevelDatabase;
  readonly repair: RepairLevelDatabase;
  readonly emptied: readonly LevelRange[];
  readonly mark: RepairMark | undefined;
  readonly log: Log | undefined;
}

/**
 * What was cut short is made again: while `mark` is set, the database must not be opened but by this.
 * The database is closed before and after. The format marker may be among what is lost: it is made anew.
 */
export async function repairDatabase(parts: LevelRepairParts): Promise<void> {
  const { directory, tuning, open, repair, emptied, mark, log } = parts;
  log?.error('the database is damaged; what can be read of it is kept, the rest is lost', { directory });
  try {
    await mark?.set();
    await repair(directory);
    const database = await open(directory, tuning, { createIfMissing: false, errorIfExists: false });
    try {
      // The repair lays all tables side by side, and a lookup then takes the table of the highest number for the newest,
      // which it is not where a compaction has written it: older values would show, and what was deleted.
      await database.compact();
      if (!isMarked(database)) await markAgain(database, directory);
      for (const range of emptied) await empty(database, range);
    } finally {
      await database.close();
    }
    await mark?.clear();
  } catch (cause) {
    throw storageErrorOf(cause, `repairing ${directory}`);
  }
  log?.info('the database has been repaired', { directory });
}

/**
 * The marker may be among what was lost. Where all was lost, a person must know before the node takes
 * new data: there is a backup to restore, or the directory is another's.
 */
async function markAgain(database: LevelDatabase, directory: string): Promise<void> {
  if (await isEmpty(database)) {
    const message = `nothing of the database in ${directory} can be read; restore a backup, or take another directory`;
    throw new StorageError('corrupt', message);
  }
  await writeMarker(database);
}

/** Durable when resolved. */
async function empty(database: LevelDatabase, { from, to }: LevelRange): Promise<void> {
  const snapshot = database.snapshot();
  const bounds = from === undefined ? { lt: to } : { gte: from, lt: to };
  const reading = { reverse: false, values: false, fillCache: false, highWaterMarkBytes: SLICE_BYTES_MAX };
  const iterator = database.iterator({ ...bounds, ...reading, snapshot });
  try {
    for (;;) {
      const slice = await iterator.nextv(SLICE_ENTRIES_MAX);
      if (slice.length === 0) return;
      const batch = database.nativeBatch();
      for (const [key] of slice) batch._del(key);
      await batch._write({ sync: true });
      await batch.close();
    }
  } finally {
    await iterator.close();
    await snapshot.close();
  }
}
