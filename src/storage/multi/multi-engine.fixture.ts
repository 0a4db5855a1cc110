/** For the tests of the engine of several backends: keys under one byte, in buckets by their last byte or all in one. */
import { Buffer } from 'node:buffer';
import type { Environment, Log } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import { environment } from '../log/log-engine.fixture.ts';
import { openLogEngine } from '../log/open-log-engine.ts';
import type { FaultyDisk } from '../memory/faulty-disk.fixture.ts';
import { openMemoryEngine } from '../memory/open-memory-engine.ts';
import {
  type Cursor,
  type Durability,
  type Entry,
  type KeyRange,
  type ScanOptions,
  type StorageEngine,
  WriteBatch,
} from '../storage-engine.ts';
import type { Backend } from './backend.ts';
import { BackendMoves } from './backend-moves.ts';
import type { KeyPlaces } from './key-places.ts';
import type { MultiEngine } from './multi-engine.ts';
import { type BackendDoubt, openMultiEngine } from './open-multi-engine.ts';
import type { BackendRules } from './placements.ts';

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
export const quiet: Pick<Environment, 'timers' | 'tasks' | 'log'> = { ...environment, log: silentLog };

const space = 0x10;

export function name(text: string): ByteString {
  return text as ByteString;
}

/** Buckets `t0` and `t1`, by the last byte of a key; or `t0` alone. The type is `t`. */
export class TestPlaces implements KeyPlaces {
  readonly bucketEntries = { from: Buffer.from([space]), to: Buffer.from([space + 1]) };
  readonly #buckets: 1 | 2;

  constructor(buckets: 1 | 2) {
    this.#buckets = buckets;
  }

  bucketOf(key: Buffer): ByteString | undefined {
    return key[0] === space && key.length > 1 ? name(`t${key.at(-1)! % this.#buckets}`) : undefined;
  }

  bucketOfRange(): undefined {
    return undefined;
  }

  typeOf(bucket: ByteString): ByteString {
    return name(bucket.slice(0, 1));
  }

  rangesOf(): readonly KeyRange[] {
    return [this.bucketEntries];
  }

  recordKey(record: string): Buffer {
    return Buffer.from(`\x01${record}`);
  }
}

export const sentinel = Buffer.from([2, 0xff]);

export interface TestBackends {
  /** Journalled memory at home, the log beside it, and memory that keeps nothing. */
  readonly disk: FaultyDisk;
  readonly suffix?: string;
  readonly doubts?: BackendDoubt[];
}

export async function openBackends(
  { disk, suffix = '', doubts }: TestBackends,
  places: KeyPlaces,
): Promise<MultiEngine> {
  const emptied = [{ from: Buffer.from([2]), to: Buffer.from([3]) }];
  const main = await openMemoryEngine({ journal: { disk, directory: `main${suffix}` } }, environment);
  const directory = suffix === '' ? 'beside' : `main${suffix}-beside`;
  const beside = await openLogEngine(
    { disk, directory, tuning: { memtableEntriesMax: 500 }, emptiedByDamage: emptied },
    environment,
  );
  const fleeting = await openMemoryEngine({}, environment);
  const backends: Backend[] = [
    { name: 'main', engine: main, isVolatile: false },
    { name: 'beside', engine: beside, isVolatile: false },
    { name: 'fleeting', engine: fleeting, isVolatile: true },
  ];
  return openMultiEngine({
    backends,
    places,
    sentinel,
    doubted: async (_home, doubt) => void doubts?.push(doubt),
    ...quiet,
  });
}

/** Makes the rules hold, and brings all entries to their places. */
export async function settle(engine: MultiEngine, places: KeyPlaces, rules: BackendRules): Promise<void> {
  const moves = new BackendMoves(engine, places, quiet);
  moves.want(rules);
  while (!engine.placements.isSettled || engine.placements.rules !== rules)
    await new Promise((resolve) => setImmediate(resolve));
  await moves.stop();
}

/** Everything under one byte, so that what the engine keeps of itself is not among it. */
export class UnderOneByte implements StorageEngine {
  readonly engine: StorageEngine;

  constructor(engine: StorageEngine) {
    this.engine = engine;
  }

  get name(): string {
    return this.engine.name;
  }

  get health(): StorageEngine['health'] {
    return this.engine.health;
  }

  get(key: Buffer): Buffer | undefined {
    return this.engine.get(under(key));
  }

  write(batch: WriteBatch, durability: Durability): Promise<void> {
    const mapped = new WriteBatch();
    for (const [i, key] of batch.keys.entries()) {
      const value = batch.values[i];
      if (value === undefined) mapped.delete(under(key));
      else mapped.put(under(key), value);
    }
    return this.engine.write(mapped, durability);
  }

  scan(range: KeyRange, options?: ScanOptions): Cursor {
    const inner = this.engine.scan(rangeUnder(range), options);
    return {
      next: async ({ entriesMax, bytesMax }) => {
        // The byte in front counts for the engine.
        const entries = await inner.next({ entriesMax, bytesMax: bytesMax + Math.min(entriesMax, 4) });
        return entries.map(({ key, value }): Entry => ({ key: key.subarray(1), value }));
      },
      seek: (key) => inner.seek(under(key)),
      close: () => inner.close(),
    };
  }

  deleteRange(range: KeyRange): Promise<void> {
    return this.engine.deleteRange(rangeUnder(range));
  }

  sizeEstimate(range: KeyRange): Promise<number> {
    return this.engine.sizeEstimate(rangeUnder(range));
  }

  copyTo(directory: string): Promise<void> {
    return this.engine.copyTo(directory);
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}

function under(key: Buffer): Buffer {
  return Buffer.concat([Buffer.from([space]), key]);
}

function rangeUnder({ from, to }: KeyRange): KeyRange {
  return {
    from: under(from ?? Buffer.alloc(0)),
    to: to === undefined ? Buffer.from([space + 1]) : under(to),
  };
}
