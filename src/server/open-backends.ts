/** Storage of several backends: which there are, and what must be forgotten when one has lost entries. */
import { Buffer } from 'node:buffer';
import type { BackendKind, Configuration } from '../config/index.ts';
import type { Environment } from '../environment/index.ts';
import { BucketEntries, doubtfulRanges, identityRange, savedTreesRange } from '../kv/index.ts';
import {
  type Backend,
  type BackendDoubt,
  type MultiEngine,
  openMultiEngine,
  type StorageEngine,
} from '../storage/index.ts';

/** Among the identities, of a partition that no ring has. */
const sentinel = Buffer.from([identityRange.from![0]!, 0xff, 0xff]);

/** `open` is asked for one of this kind and name; without a name, for the default one. */
export async function openBackends(
  configuration: Configuration,
  { tasks, log }: Pick<Environment, 'tasks' | 'log'>,
  open: (kind: BackendKind, name: string | undefined) => Promise<StorageEngine>,
): Promise<StorageEngine> {
  const names = configuration['multi_backend.backends'];
  const home = configuration['multi_backend.default'];
  const backends: Backend[] = [];
  try {
    const ordered = [home, ...[...names.keys()].filter((name) => name !== home)];
    for (const name of ordered) {
      const kind = names.get(name)!;
      const engine = await open(kind, name === home ? undefined : name);
      backends.push({ name, engine, isVolatile: kind === 'memory' });
    }
  } catch (error) {
    for (const { engine } of backends) await engine.close();
    throw error;
  }
  return joinBackends(backends, configuration, { tasks, log });
}

/** Makes one engine of opened backends, the default first; closes them if that fails. Rejects with `StorageError`. */
export function joinBackends(
  backends: readonly Backend[],
  configuration: Pick<Configuration, 'ring_size'>,
  { tasks, log }: Pick<Environment, 'tasks' | 'log'>,
): Promise<MultiEngine> {
  const places = bucketEntries(configuration);
  return openMultiEngine({ backends, places, sentinel, doubted: forgetWhatRelied, tasks, log });
}

/** Which bucket an entry is of. */
export function bucketEntries({ ring_size }: Pick<Configuration, 'ring_size'>): BucketEntries {
  return new BucketEntries(ring_size);
}

/** A backend that is empty has lost objects with all that is kept beside them, and no vnode goes on from what is not there. */
async function forgetWhatRelied(home: StorageEngine, doubt: BackendDoubt): Promise<void> {
  const ranges = doubt === 'repaired' ? doubtfulRanges : [savedTreesRange];
  for (const range of ranges) await home.deleteRange(range);
}
