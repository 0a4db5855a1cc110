/** The storage engines of simulated nodes: both that keep their data on the node's disk, by the seed's draw. */
import type { Environment } from '../../environment/index.ts';
import { doubtfulRanges, isObjectEntry, nodeRange } from '../../kv/index.ts';
import { joinBackends } from '../../server/index.ts';
import { type Backend, cachedEngine, openMemoryEngine, type StorageEngine } from '../../storage/index.ts';
import { LOG_TUNING, type LogTuning, openLogEngine } from '../../storage/log/index.ts';
import type { Prng } from '../prng.ts';

export type SimulatedEngine =
  | { readonly kind: 'memory'; readonly compactionDeadBytesMin: number }
  | { readonly kind: 'log'; readonly tuning: Partial<LogTuning> }
  | SimulatedBackends;

type SingleEngine = Exclude<SimulatedEngine, SimulatedBackends>;

/** A default backend, and two beside it: one on disk, one that forgets. */
export interface SimulatedBackends {
  readonly kind: 'multi';
  readonly home: SingleEngine;
  readonly beside: SingleEngine;
  readonly ringSize: number;
}

/** The names of the backends, the default first. */
export const backendNames = ['main', 'beside', 'fleeting'] as const;

/** Where either keeps its files. */
export const engineDirectory = 'journal';
/** Where a backend beside the default one does. */
const besideDirectory = 'beside';

/** The log engine in so small parts that a story leads to all that it does, or as it is. */
export function drawnLogEngine(random: Prng): Extract<SimulatedEngine, { kind: 'log' }> {
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
  if (engine.kind === 'multi') return openBackends(engine, environment, damaged);
  return openSingle(engine, engineDirectory, environment, damaged);
}

async function openBackends(
  { home, beside, ringSize }: SimulatedBackends,
  environment: Environment,
  damaged: (damage: { readonly kind: string }) => void,
): Promise<StorageEngine> {
  const [main, second, third] = backendNames;
  const backends: Backend[] = [];
  try {
    const engine = await openSingle(home, engineDirectory, environment, damaged);
    backends.push({ name: main, engine, isVolatile: false });
    const other = await openSingle(beside, besideDirectory, environment, damaged);
    backends.push({ name: second, engine: other, isVolatile: false });
  } catch (error) {
    for (const { engine } of backends) await engine.close();
    throw error;
  }
  backends.push({ name: third, engine: await openMemoryEngine({}, environment), isVolatile: true });
  return joinBackends(backends, { ring_size: ringSize }, environment);
}

async function openSingle(
  engine: SingleEngine,
  directory: string,
  environment: Environment,
  damaged: (damage: { readonly kind: string }) => void,
): Promise<StorageEngine> {
  const { disk, log } = environment;
  const place = { disk, directory, damaged };
  if (engine.kind === 'log') {
    const { tuning } = engine;
    const options = { ...place, tuning, log, emptiedByDamage: doubtfulRanges, neededAtStart: nodeRange };
    const { pageBytesMax } = { ...LOG_TUNING, ...tuning };
    return cachedEngine(
      await openLogEngine(options, environment),
      pageBytesMax,
      environment.tasks,
      isObjectEntry,
    );
  }
  const { compactionDeadBytesMin } = engine;
  return openMemoryEngine({ journal: { ...place, compactionDeadBytesMin }, log }, environment);
}
