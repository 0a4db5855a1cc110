import type { Environment } from '../../environment/index.ts';
import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import type { StorageEngine } from '../storage-engine.ts';
import { storageEngineConformance } from '../storage-engine-conformance.ts';
import type { LogTuning } from './log-limits.ts';
import type { LogDamage } from './log-scan.ts';
import { openLogEngine } from './open-log-engine.ts';

const environment: Pick<Environment, 'timers' | 'tasks'> = {
  timers: {
    after: (_delayMs, wake) => {
      const soon = setImmediate(wake);
      return { cancel: () => clearImmediate(soon) };
    },
  },
  tasks: {
    spawn: (_name, body) => void body(),
    endOfTurn: (run) => void setImmediate(run),
  },
};

function open(
  disk: FaultyDisk,
  tuning: Partial<LogTuning>,
  damages: LogDamage[] = [],
  directory = 'log',
): Promise<StorageEngine> {
  const damaged = (damage: LogDamage) => void damages.push(damage);
  return openLogEngine({ disk, directory, tuning, damaged }, environment);
}

const TUNINGS: readonly (readonly [string, Partial<LogTuning>])[] = [
  ['log', {}],
  ['log with small parts', { segmentBytesMax: 256 * 1024, memtableEntriesMax: 500, garbageShare: 0.3 }],
];

for (const [name, tuning] of TUNINGS) {
  storageEngineConformance(name, async () => {
    const disk = new FaultyDisk(seeded(1));
    return {
      engine: await open(disk, tuning),
      persistence: {
        copyDirectory: 'copy',
        reopen: () => open(disk, tuning),
        openCopy: () => open(disk, tuning, [], 'copy'),
      },
      remove: async () => {},
    };
  });
}
