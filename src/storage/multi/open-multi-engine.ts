/**
 * Puts opened backends together: reads where entries are, goes through what a crash cut short, and finds out whether a
 * backend has lost or brought back anything.
 *
 * A backend that was repaired may hold older entries than it acknowledged. What the node keeps of itself is at home,
 * where that is not seen, so each used backend has a *sentinel* among what its repair empties (`emptiedByRepair`).
 */
import { Buffer } from 'node:buffer';
import type { Log, Tasks } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import { type StorageEngine, StorageError, WriteBatch } from '../storage-engine.ts';
import type { Backend } from './backend.ts';
import { decodeBatch } from './batch-record.ts';
import type { KeyPlaces } from './key-places.ts';
import { intentRecord, MultiEngine, placementsRecord } from './multi-engine.ts';
import { decodePlacements, everything, Placements } from './placements.ts';

export interface MultiEngineOptions {
  /** The default first. Taken over: closed if it cannot be opened. */
  readonly backends: readonly Backend[];
  readonly places: KeyPlaces;
  /** Among the records that are empty after a repair. */
  readonly sentinel: Buffer;
  /** Told of a used backend of which all may be gone, or some older than it was, before anything else is done. */
  readonly doubted: (home: StorageEngine, doubt: BackendDoubt) => Promise<void>;
  readonly tasks: Tasks;
  readonly log: Log;
}

/** `emptied`: nothing is left of it, as after each restart of one in memory. `repaired`: of that nobody can be sure. */
export type BackendDoubt = 'emptied' | 'repaired';

/** Rejects with `StorageError`: 'format', if entries are in a backend that is not there. */
export async function openMultiEngine(options: MultiEngineOptions): Promise<MultiEngine> {
  try {
    return await open(options);
  } catch (error) {
    for (const { engine } of options.backends) await engine.close();
    throw error;
  }
}

/** What a data directory of several backends holds, if it is opened as one: refused with `StorageError`. */
export function refuseSeveralBackends(engine: StorageEngine, places: KeyPlaces): void {
  const bytes = readRecord(engine, places.recordKey(placementsRecord));
  const used = bytes === undefined || bytes === 'damaged' ? undefined : decodePlacements(bytes)?.used;
  if (used === undefined || used.size === 0) return;
  throw new StorageError(
    'format',
    `the data of some buckets is in the backends ${listed(used.keys())}: storage_backend must be "multi"`,
  );
}

async function open(options: MultiEngineOptions): Promise<MultiEngine> {
  const { backends, places, sentinel, tasks, log } = options;
  const [home, ...others] = backends;
  const placements = readPlacements(home!, others, places, log);
  const intent = readIntent(home!.engine, places, log);
  for (const { name, engine, isVolatile } of others) {
    const isWhole = !isVolatile && readRecord(engine, sentinel) !== undefined;
    if (isWhole) continue;
    if (placements.used.has(name)) {
      if (!isVolatile) log.error('a storage backend was repaired, or is empty', { backend: name });
      await options.doubted(home!.engine, isVolatile ? 'emptied' : 'repaired');
    }
    if (isVolatile) continue;
    const batch = new WriteBatch();
    batch.put(sentinel, Buffer.alloc(0));
    await engine.write(batch, 'synced');
  }
  const parts = { backends, places, placements, tasks };
  const engine = new MultiEngine(intent === undefined ? parts : { ...parts, intent });
  await engine.finishIntent();
  return engine;
}

function readPlacements(home: Backend, others: readonly Backend[], places: KeyPlaces, log: Log): Placements {
  const parts = { typeOf: (bucket: ByteString) => places.typeOf(bucket) };
  const bytes = readRecord(home.engine, places.recordKey(placementsRecord));
  if (bytes === undefined) {
    return new Placements({ ...parts, rules: new Map(), moving: new Set(), used: new Set() });
  }
  const decoded = bytes === 'damaged' ? undefined : decodePlacements(bytes);
  if (decoded === undefined) {
    log.error('it cannot be read which buckets are in which backend: all is looked through');
    const used = new Set(others.map(({ name }) => name));
    return new Placements({ ...parts, rules: new Map(), moving: new Set([everything]), used });
  }
  for (const [name, kind] of decoded.used) {
    const present = others.find((backend) => backend.name === name);
    if (present?.engine.name === kind) continue;
    throw new StorageError(
      'format',
      `the backend "${name}" (${kind}) holds data of this node; the configuration has it not, or of another kind, ` +
        'or as the default',
    );
  }
  return new Placements({ ...parts, ...decoded, used: new Set(decoded.used.keys()) });
}

function readIntent(home: StorageEngine, places: KeyPlaces, log: Log): WriteBatch | undefined {
  const bytes = readRecord(home, places.recordKey(intentRecord));
  if (bytes === undefined) return undefined;
  try {
    if (bytes !== 'damaged') return decodeBatch(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  log.error('a write between two backends was cut short and cannot be read: some of it may be missing');
  return new WriteBatch();
}

function readRecord(engine: StorageEngine, key: Buffer): Buffer | 'damaged' | undefined {
  try {
    return engine.get(key);
  } catch (error) {
    if (error instanceof StorageError && error.code === 'corrupt') return 'damaged';
    throw error;
  }
}

function listed(names: Iterable<string>): string {
  return [...names].map((name) => `"${name}"`).join(', ');
}
