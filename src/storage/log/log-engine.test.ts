import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import { storageEngineConformance } from '../storage-engine-conformance.ts';
import { openLog } from './log-engine.fixture.ts';
import type { LogTuning } from './log-limits.ts';

const TUNINGS: readonly (readonly [string, Partial<LogTuning>])[] = [
  ['log', {}],
  ['log with small parts', { segmentBytesMax: 1024 * 1024, memtableEntriesMax: 5000, garbageShare: 0.3 }],
];

for (const [name, tuning] of TUNINGS) {
  storageEngineConformance(name, async () => {
    const disk = new FaultyDisk(seeded(1));
    return {
      engine: await openLog(disk, tuning),
      persistence: {
        copyDirectory: 'copy',
        reopen: () => openLog(disk, tuning),
        openCopy: () => openLog(disk, tuning, [], 'copy'),
      },
      remove: async () => {},
    };
  });
}
