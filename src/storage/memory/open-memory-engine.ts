/**
 * The memory engine. Without `journal` it is volatile; with one it keeps what it acknowledged.
 *
 * Limits: all keys are in memory (some 150 bytes each beside the key); opening reads the whole journal;
 * compaction needs space for a second copy; the directory must be locked by the caller; rot in the last
 * record before a crash cannot be told from a torn write.
 */
import type { Disk, Environment, Log } from '../../environment/index.ts';
import type { StorageEngine } from '../storage-engine.ts';
import { openJournal } from './journal.ts';
import type { JournalDamage } from './journal-replay.ts';
import { diskFailure, JournaledEngine } from './journaled-engine.ts';
import { VolatileEngine } from './volatile-engine.ts';

export interface MemoryEngineOptions {
  readonly journal?: {
    readonly disk: Disk;
    /** Within the disk; made if it is missing. */
    readonly directory: string;
    /** Told at opening of each damaged byte range. What is rot may have held acknowledged writes. */
    readonly damaged?: (damage: JournalDamage) => void;
    /** Dead bytes from which compaction is considered. */
    readonly compactionDeadBytesMin?: number;
  };
  readonly log?: Log;
}

/** Rejects with `StorageError`: 'format', 'full', 'io'. */
export async function openMemoryEngine(
  options: MemoryEngineOptions,
  environment: Pick<Environment, 'timers' | 'tasks'>,
): Promise<StorageEngine> {
  const { journal, log } = options;
  if (journal === undefined) return new VolatileEngine(environment);
  try {
    const opened = await openJournal(journal.disk, journal.directory);
    for (const damage of opened.damages) {
      const { file, from, to, kind } = damage;
      log?.warn('the journal is damaged', { file, from, to, kind });
      journal.damaged?.(damage);
    }
    const engineOptions = { ...journal, ...(log === undefined ? {} : { log }) };
    return new JournaledEngine(opened, engineOptions, environment);
  } catch (cause) {
    throw diskFailure(cause, `opening the journal in ${journal.directory}`);
  }
}
