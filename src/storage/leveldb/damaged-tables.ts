/**
 * Looks through the files of a closed LevelDB database for damaged blocks, and marks them so that LevelDB
 * takes them for what they are (table-check.ts).
 */
import { Buffer } from 'node:buffer';
import { type Disk, DiskError, type DiskFile, type Log } from '../../environment/index.ts';
import { checkTable, DAMAGED_BLOCK_TYPE } from './table-check.ts';

/** LevelDB aims at files of some megabytes; one of this size is none of its tables. */
const TABLE_BYTES_MAX = 1024 * 1024 * 1024;
const JOURNAL_TAIL_BYTES = 64 * 1024;

/** `directory` is relative to the data directory. Returns how many blocks are damaged. Rejects with `DiskError`. */
export async function markDamagedBlocks(
  directory: string,
  disk: Pick<Disk, 'open' | 'list'>,
  log: Log,
): Promise<number> {
  let damaged = 0;
  for (const name of await disk.list(directory)) {
    if (!/\.(ldb|sst)$/.test(name)) continue;
    const file = await disk.open(`${directory}/${name}`, { create: false });
    try {
      damaged += await markBlocksOf(file, log);
    } finally {
      await file.close();
    }
  }
  return damaged;
}

async function markBlocksOf(file: DiskFile, log: Log): Promise<number> {
  const { path, size } = file;
  const findings = size > TABLE_BYTES_MAX ? undefined : checkTable(file.read(0, size));
  if (findings === undefined) {
    // A compaction that was killed leaves such a one behind. If it is of the database, LevelDB says so itself.
    log.warn('a table of the database has no sound end: it was being written, or is damaged', { path });
    return 0;
  }
  const { damagedTypes, blocks } = findings;
  for (const at of damagedTypes) await file.write(at, Buffer.from([DAMAGED_BLOCK_TYPE]));
  if (damagedTypes.length === 0) return 0;
  await file.sync();
  log.error('blocks of the database are damaged', { path, damaged: damagedTypes.length, blocks });
  return damagedTypes.length;
}

export type LastRuns = 'sound' | 'suspect' | 'damaged';

/**
 * What the last runs tell of the files. `damaged`: in the last one a compaction met a damaged block.
 * `suspect`: each of the last two ended in the midst of a compaction, as when a damaged block ends the
 * process; they may as well have been killed. LevelDB keeps a text of what a run did, `LOG` and `LOG.old`.
 */
export async function lastRunsOf(directory: string, disk: Pick<Disk, 'open'>): Promise<LastRuns> {
  const last = await tailOf(`${directory}/LOG`, disk);
  if (last.includes('Compaction error: Corruption')) return 'damaged';
  const before = await tailOf(`${directory}/LOG.old`, disk);
  return [last, before].every(endsInCompaction) ? 'suspect' : 'sound';
}

function endsInCompaction(journal: string): boolean {
  return journal.lastIndexOf('Compacting ') > journal.lastIndexOf('compacted to:');
}

/** Empty if there is no such file. */
async function tailOf(path: string, disk: Pick<Disk, 'open'>): Promise<string> {
  let file: DiskFile;
  try {
    file = await disk.open(path, { create: false });
  } catch (error) {
    if (error instanceof DiskError && error.code === 'missing') return '';
    throw error;
  }
  try {
    const length = Math.min(file.size, JOURNAL_TAIL_BYTES);
    return file.read(file.size - length, length).toString('latin1');
  } finally {
    await file.close();
  }
}
