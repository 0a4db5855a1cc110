import type { Disk, Environment } from '../environment/index.ts';
import { type RecoveredLog, recover } from './recover.ts';
import { SegmentRemoval } from './segment-removal.ts';
import { SegmentWriter } from './segment-writer.ts';
import type { WalLimits } from './wal-limits.ts';

export interface OpenedDirectory extends RecoveredLog {
  readonly writer: SegmentWriter;
  readonly removal: SegmentRemoval;
}

/** Makes the directory, if it is missing, and reads the log in it. Rejects with `DiskError` or `WalError`. */
export async function openDirectory(
  environment: Pick<Environment, 'disk' | 'log' | 'tasks'>,
  directory: string,
  limits: WalLimits,
): Promise<OpenedDirectory> {
  const { disk, log } = environment;
  await makeDurable(disk, directory);
  const recovered = await recover(disk, directory);
  const { segments, leftovers, durable, nextSequence } = recovered;
  return {
    ...recovered,
    writer: new SegmentWriter({ disk, log, directory, limits }, { durable, nextSequence }),
    removal: new SegmentRemoval(environment, directory, segments, leftovers),
  };
}

/**
 * Also of a directory that exists: a process that made it may have died before it was durable. Nor may a
 * segment that it had removed, and that this start therefore does not show, come back at the next one.
 */
async function makeDurable(disk: Disk, directory: string): Promise<void> {
  await disk.makeDirectory(directory);
  await disk.syncDirectory(directory);
  for (let path = directory; path !== ''; ) {
    path = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    await disk.syncDirectory(path);
  }
}
