/** The storage engines of simulated nodes: both that keep their data on the node's disk, by the seed's draw. */
import type { Environment } from '../../environment/index.ts';
import { identityRange } from '../../kv/index.ts';
import { cachedEngine, openMemoryEngine, type StorageEngine } from '../../storage/index.ts';
import { LOG_TUNING, type LogTuning, openLogEngine } from '../../storage/log/index.ts';
import type { Prng } from '../prng.ts';

export type SimulatedEngine =
  | { readonly kind: 'memory'; readonly compactionDeadBytesMin: number }
  | { readonly kind: 'log'; readonly tuning: Partial<LogTuning> };

/** Where either keeps its files. */
export const engineDirectory = 'journal';

/** The log engine in so small parts that a story leads to all that it does, or as it is. */
export function drawnLogEngine(random: Prng): SimulatedEngine {
  if (random.chance(0.2)) return { kind: 'log', tuning: {} };
  return {
    kind: 'log',
    tuning: {
      segmentBytesMax: random.pick([3000, 10_000, 60_000]),
      memtableEntriesMax: random.pick([8, 40, 200]),
      garbageShare: random.pick([0.1, 0.5, 0.9]),
      cacheBytesMax: random.pick([0, 5000, 2 ** 20]),
      pageBytesMax: random.pick([0, 16_384, 2 ** 20]),
    },
  };
}

/** Whose reads of values are all reads of the disk. */
export function withoutPages(engine: SimulatedEngine): SimulatedEngine {
  return engine.kind === 'log' ? { kind: 'log', tuning: { ...engine.tuning, pageBytesMax: 0 } } : engine;
}

/** With a cache of values that is as large as that of pages. `damaged` is told of what opening finds. Rejects with `StorageError`. */
export async function openSimulatedEngine(
  engine: SimulatedEngine,
  environment: Environment,
  damaged: (damage: { readonly kind: string }) => void,
): Promise<StorageEngine> {
  const { disk, log } = environment;
  const place = { disk, directory: engineDirectory, damaged };
  if (engine.kind === 'log') {
    const { tuning } = engine;
    const options = { ...place, tuning, log, emptiedByDamage: [identityRange] };
    const { pageBytesMax } = { ...LOG_TUNING, ...tuning };
    return cachedEngine(await openLogEngine(options, environment), pageBytesMax);
  }
  const { compactionDeadBytesMin } = engine;
  return openMemoryEngine({ journal: { ...place, compactionDeadBytesMin }, log }, environment);
}
