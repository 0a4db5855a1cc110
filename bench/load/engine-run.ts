/** One engine in a process of its own, as `engine.ts` orders; says how it went by a message. */
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { nodeEnvironment, silentLog, throwUncaught } from '../../src/runtime/index.ts';
import { openLevelEngine, type StorageEngine, WriteBatch } from '../../src/storage/index.ts';
import { openLogEngine } from '../../src/storage/log/index.ts';

export interface EngineOrder {
  readonly engine: 'leveldb' | 'log';
  readonly directory: string;
  readonly keys: number;
  readonly valueBytes: number;
  readonly measuredMs: number;
  /** Of a directory that another run has filled: it is opened, and read. */
  readonly isRestart: boolean;
}

export interface EngineReport {
  readonly openMs: number;
  /** Of JavaScript and array buffers, more than before the keys, for each key. */
  readonly heapPerKey: number;
  readonly residentBytes: number;
  /** The longest time that the event loop did not turn while puts were made, in milliseconds. */
  readonly stallMs: number;
  /** CPU-microseconds of the whole process for each. */
  readonly cost: Readonly<Record<'get' | 'put' | 'putSynced', number>>;
  readonly syncedMicros: { readonly p50: number; readonly p99: number };
}

const batchPuts = 32;
const noiseBytes = 2 ** 20;

function keyOf(n: number): Buffer {
  return Buffer.from(`o\0partition-of-the-key/bucket/key-${String(n).padStart(10, '0')}`);
}

class EngineRun {
  readonly #order: EngineOrder;
  readonly #engine: StorageEngine;
  /** Values are pieces of it: nothing that is stored can be compressed. */
  readonly #noise: Buffer;
  #seed = 1;

  constructor(order: EngineOrder, engine: StorageEngine) {
    this.#order = order;
    this.#engine = engine;
    this.#noise = randomBytes(noiseBytes);
  }

  async fill(): Promise<void> {
    const { keys } = this.#order;
    for (let from = 0; from < keys; from += 1000) {
      const batch = new WriteBatch();
      for (let n = from; n < Math.min(keys, from + 1000); n += 1) batch.put(keyOf(n), this.#anyValue());
      await this.#engine.write(batch, 'os');
    }
  }

  async costOf(work: () => number | Promise<number>): Promise<number> {
    const before = process.cpuUsage();
    const count = await work();
    await untilIdle();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / count;
  }

  getMany(): number {
    let count = 0;
    for (const end = performance.now() + this.#order.measuredMs; performance.now() < end; count += 100) {
      for (let i = 0; i < 100; i += 1) {
        if (this.#engine.get(keyOf(this.#any()))?.length !== this.#order.valueBytes) throw new Error('lost');
      }
    }
    return count;
  }

  async putMany(durability: 'os' | 'synced', latencies?: number[]): Promise<number> {
    let count = 0;
    for (
      const end = performance.now() + this.#order.measuredMs;
      performance.now() < end;
      count += batchPuts
    ) {
      const batch = new WriteBatch();
      for (let i = 0; i < batchPuts; i += 1) batch.put(keyOf(this.#any()), this.#anyValue());
      const startedAt = performance.now();
      await this.#engine.write(batch, durability);
      latencies?.push((performance.now() - startedAt) * 1000);
    }
    return count;
  }

  #anyValue(): Buffer {
    const at = this.#next() % (noiseBytes - this.#order.valueBytes);
    return this.#noise.subarray(at, at + this.#order.valueBytes);
  }

  #any(): number {
    return this.#next() % this.#order.keys;
  }

  #next(): number {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return this.#seed;
  }
}

/** CPU-microseconds in 100 ms that are none: what an engine puts off is done. */
const idleMicrosMax = 5000;
const idleWaitMsMax = 20_000;

async function untilIdle(): Promise<void> {
  for (let waitedMs = 0; waitedMs < idleWaitMsMax; waitedMs += 100) {
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { user, system } = process.cpuUsage(before);
    if (user + system < idleMicrosMax) return;
  }
}

function openEngineOf({ engine, directory }: EngineOrder): Promise<StorageEngine> {
  const environment = nodeEnvironment({ dataDirectory: directory, log: silentLog, crash: throwUncaught });
  if (engine === 'log') return openLogEngine({ disk: environment.disk, directory: 'log' }, environment);
  return openLevelEngine({ directory: `${directory}/leveldb` }, environment);
}

function memoryBytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function quantile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;
}

async function run(order: EngineOrder): Promise<EngineReport> {
  const startedAt = performance.now();
  const engine = await openEngineOf(order);
  const openMs = performance.now() - startedAt;
  const engineRun = new EngineRun(order, engine);
  const empty = memoryBytes();
  if (order.isRestart) {
    const cost = { get: 0, put: 0, putSynced: 0 };
    return { openMs, heapPerKey: 0, residentBytes: 0, stallMs: 0, cost, syncedMicros: { p50: 0, p99: 0 } };
  }
  await engineRun.fill();
  await untilIdle();
  const heapPerKey = (memoryBytes() - empty) / order.keys;
  engineRun.getMany();
  const get = await engineRun.costOf(() => engineRun.getMany());
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const put = await engineRun.costOf(() => engineRun.putMany('os'));
  const latencies: number[] = [];
  const putSynced = await engineRun.costOf(() => engineRun.putMany('synced', latencies));
  delay.disable();
  return {
    openMs,
    heapPerKey,
    residentBytes: process.memoryUsage.rss(),
    stallMs: delay.max / 1e6,
    cost: { get, put, putSynced },
    syncedMicros: { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99) },
  };
}

process.once('message', (order: EngineOrder) => {
  run(order).then(
    (report) => process.send?.({ report }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
