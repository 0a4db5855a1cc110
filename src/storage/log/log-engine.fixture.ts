/** For the tests of the log engine: an environment without time, small parts, and a model of what may be seen. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { Environment } from '../../environment/index.ts';
import type { FaultyDisk } from '../memory/faulty-disk.fixture.ts';
import { type StorageEngine, WriteBatch } from '../storage-engine.ts';
import type { LogTuning } from './log-limits.ts';
import type { LogDamage } from './log-scan.ts';
import { openLogEngine } from './open-log-engine.ts';

export const environment: Pick<Environment, 'timers' | 'tasks'> = {
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

/** So small that a few writes lead to everything that the engine ever does. */
export const SMALL: LogTuning = {
  segmentBytesMax: 3000,
  memtableEntriesMax: 12,
  garbageShare: 0.3,
  cacheBytesMax: 1000,
  pageBytesMax: 20_000,
};

export function openLog(
  disk: FaultyDisk,
  tuning: Partial<LogTuning> = SMALL,
  damages: LogDamage[] = [],
  directory = 'log',
): Promise<StorageEngine> {
  const damaged = (damage: LogDamage) => void damages.push(damage);
  return openLogEngine({ disk, directory, tuning, damaged }, environment);
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function gauge(engine: StorageEngine, name: string): number {
  const found = engine.gauges?.().find((each) => each.name === name);
  assert.ok(found !== undefined, `there is a gauge ${name}`);
  return found.value;
}

interface Written {
  readonly value: string | undefined;
  isKept: boolean;
}

export interface ModelledBatch {
  readonly batch: WriteBatch;
  readonly marks: readonly string[];
  /** It was acknowledged. */
  readonly acknowledge: () => void;
}

const KEYS = 20;
const MARKS_MAX = 3;

/**
 * What was written to each key, oldest first, and up to where that has to be kept. A read may show the last one that
 * has to be, or any that was written later: what nobody was told of may have happened or not.
 */
export class KeyModel {
  readonly #written = new Map<string, Written[]>();
  readonly #marks: { readonly names: readonly string[]; isKept: boolean }[] = [];
  readonly #fraction: () => number;
  #ids = 0;

  constructor(fraction: () => number) {
    this.#fraction = fraction;
    for (let i = 0; i < KEYS; i++) this.#written.set(`k${String(i).padStart(2, '0')}`, []);
  }

  /** Some puts and deletes, and keys of its own that show whether it is there whole. */
  batch(valueBytes = 150): ModelledBatch {
    const batch = new WriteBatch();
    const writes: Written[] = [];
    const id = this.#ids++;
    const marks = Array.from({ length: this.#below(MARKS_MAX + 1) }, (_, i) => `mark-${id}-${i}`);
    for (const mark of marks) batch.put(Buffer.from(mark), Buffer.from(mark));
    const chosen = new Set(Array.from({ length: 1 + this.#below(4) }, () => this.#below(KEYS)));
    for (const i of chosen) {
      const name = `k${String(i).padStart(2, '0')}`;
      const value = this.#fraction() < 0.25 ? undefined : `${id}:${'v'.repeat(this.#below(valueBytes))}`;
      if (value === undefined) batch.delete(Buffer.from(name));
      else batch.put(Buffer.from(name), Buffer.from(value));
      writes.push(this.#add(name, value));
    }
    const marked = { names: marks, isKept: false };
    this.#marks.push(marked);
    const acknowledge = (): void => {
      marked.isKept = true;
      for (const written of writes) written.isKept = true;
    };
    return { batch, marks, acknowledge };
  }

  /** The deletion of a range of keys, never of marks. */
  range(): { readonly from: Buffer; readonly to: Buffer; readonly acknowledge: () => void } {
    const first = this.#below(KEYS);
    const from = `k${String(first).padStart(2, '0')}`;
    const to = `k${String(first + 1 + this.#below(6)).padStart(2, '0')}`;
    const writes = [...this.#written.keys()]
      .filter((name) => name >= from && name < to)
      .map((name) => this.#add(name, undefined));
    const acknowledge = (): void => {
      for (const written of writes) written.isKept = true;
    };
    return { from: Buffer.from(from), to: Buffer.from(to), acknowledge };
  }

  /** Throws if a read shows what may not be. `isUnreadable`: what is damaged shows nothing wrong. */
  checkReads(engine: StorageEngine, told: string): void {
    for (const name of this.#written.keys()) this.#checkKey(name, read(engine, name), told);
  }

  /** As `checkReads`, and all batches whole, and walks that show the same; then what was seen has to stay. */
  async check(engine: StorageEngine, told: string): Promise<void> {
    this.checkReads(engine, told);
    for (const { names, isKept } of this.#marks) {
      const there = names.filter((name) => read(engine, name) === name).length;
      assert.ok(there === 0 || there === names.length, `${told}: a batch shows in part`);
      assert.ok(!isKept || there === names.length, `${told}: an acknowledged batch is lost`);
    }
    const walked = await walk(engine, false);
    assert.deepEqual(walked.toReversed(), await walk(engine, true), `${told}: walks differ by direction`);
    const seen = new Map(walked);
    for (const name of this.#written.keys()) {
      assert.equal(seen.get(name), read(engine, name), `${told}: a walk and a read differ on ${name}`);
      this.#written.set(name, [{ value: seen.get(name), isKept: true }]);
    }
    for (const { names } of this.#marks.splice(0)) {
      for (const name of names) assert.equal(seen.get(name), read(engine, name), `${told}: ${name}`);
    }
  }

  #checkKey(name: string, value: string | undefined, told: string): void {
    const writes = this.#written.get(name)!;
    const kept = writes.findLastIndex(({ isKept }) => isKept);
    const allowed = writes.slice(Math.max(0, kept)).map((written) => written.value);
    if (kept < 0) allowed.push(undefined);
    assert.ok(allowed.includes(value), `${told}: ${name} reads ${value}, not one of ${allowed.join(' ')}`);
  }

  #add(name: string, value: string | undefined): Written {
    const written = { value, isKept: false };
    this.#written.get(name)!.push(written);
    return written;
  }

  #below(bound: number): number {
    return Math.floor(this.#fraction() * bound);
  }
}

function read(engine: StorageEngine, name: string): string | undefined {
  return engine.get(Buffer.from(name))?.toString();
}

async function walk(engine: StorageEngine, reverse: boolean): Promise<[string, string][]> {
  const cursor = engine.scan({}, { reverse });
  const found: [string, string][] = [];
  for (;;) {
    const slice = await cursor.next({ entriesMax: 7, bytesMax: 1000 });
    if (slice.length === 0) break;
    for (const { key, value } of slice) found.push([key.toString(), value.toString()]);
  }
  await cursor.close();
  return found;
}
