/** Vnodes of a node of its own for tests, in memory or over an engine that a test has made worse. */
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import { SoloTopology, type Topology } from '../../core/topology/index.ts';
import {
  type Clock,
  type Instant,
  type Log,
  nodeIdOf,
  type Random,
  type Tasks,
  type Timers,
  type WallMicros,
} from '../../environment/index.ts';
import { GroupCommit, openMemoryEngine, type StorageEngine } from '../../storage/index.ts';
import { silentObserver } from '../kv-observer.ts';
import { KvVnodes, type ReapedVersions, StrayBytes, TombstoneReaper, VnodeIdentities } from './index.ts';
import type { ExpiryRule } from './tombstone-reaper.ts';

export const tasks: Tasks = {
  spawn: (_name, body) => void body(),
  endOfTurn: (run) => void setImmediate(run),
};
/** Nothing that waits for its time comes to pass. */
export const timers: Timers = { after: () => ({ cancel: () => {} }) };
export const clock: Clock = { now: () => 0 as Instant, wallMicros: () => 0 as WallMicros };
export const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
export const random: Random = {
  u32: () => 4,
  fraction: () => 0.5,
  bytes: (count) => Buffer.alloc(count, 4),
};
export const self = nodeIdOf('n@host');
const solo = new SoloTopology(self, 8);

type Chosen = Partial<
  Pick<ConstructorParameters<typeof KvVnodes>[0], 'changes' | 'gate' | 'limits' | 'serves'>
>;

export interface VnodesOptions extends Chosen {
  /** Of which identities are kept; default: the first. */
  readonly partitions?: readonly Partition[];
  readonly engine?: StorageEngine;
  readonly deleteMode?: 'immediate' | 'keep';
  readonly strayBytesMax?: number;
  readonly topology?: Topology;
  /** Absent: what is reaped is forgotten at once. */
  readonly reaped?: ReapedVersions;
  readonly expiry?: ExpiryRule;
}

export function memoryEngine(): Promise<StorageEngine> {
  return openMemoryEngine({}, { tasks, timers });
}

export async function openVnodes(options: VnodesOptions = {}) {
  const { partitions = [0 as Partition], deleteMode = 'keep', strayBytesMax = 1e6, ...given } = options;
  const { engine = await memoryEngine(), topology = solo, reaped, expiry, ...chosen } = given;
  const commit = new GroupCommit(engine, tasks);
  const identities = await VnodeIdentities.open(partitions, commit, random, log);
  const shared = { commit, observer: silentObserver, log };
  const reaper = new TombstoneReaper({
    ...shared,
    timers,
    mode: deleteMode,
    topology,
    ...(reaped === undefined ? {} : { reaped }),
    ...(expiry === undefined ? {} : { expiry }),
    ...(chosen.changes === undefined ? {} : { changes: chosen.changes }),
  });
  const strays = await StrayBytes.open(topology, engine, strayBytesMax);
  const limits = { objectBytesMax: 1e6, objectBytesWarn: 1e6, siblingsMax: 100, siblingsWarn: 100 };
  const vnodes = new KvVnodes({ ...shared, clock, identities, reaper, limits, strays, ...chosen });
  return { vnodes, commit, identities, strays, engine, reaper };
}
