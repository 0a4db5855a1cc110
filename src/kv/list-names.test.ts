import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Partition } from '../core/ring/index.ts';
import type { Clock, Instant, Tasks, WallMicros } from '../environment/index.ts';
import { byteLiteral } from '../stdx/index.ts';
import {
  openMemoryEngine,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  WriteBatch,
} from '../storage/index.ts';
import { KvFailure } from './index.ts';
import { listBuckets, listKeys } from './list-names.ts';
import { ObjectKey } from './vnode/index.ts';

const tasks: Tasks = { spawn: (_name, body) => void body(), endOfTurn: (run) => void setImmediate(run) };
const timers = { after: () => ({ cancel: () => {} }) };
const bucketType = byteLiteral('default');
const bucket = byteLiteral('b');
const [first, second] = [0 as Partition, 1 as Partition];
const steps = [
  { partition: first, firstPartitions: undefined },
  { partition: second, firstPartitions: undefined },
];

class HandClock implements Clock {
  nowMs = 0;
  now(): Instant {
    return this.nowMs as Instant;
  }
  wallMicros(): WallMicros {
    return 0 as WallMicros;
  }
}

/** More keys in each partition than a slice holds. */
async function twoPartitions(): Promise<StorageEngine> {
  const engine = await openMemoryEngine({}, { tasks, timers });
  const batch = new WriteBatch();
  for (const partition of [first, second]) {
    for (let i = 0; i < 700; i++) {
      const key = byteLiteral(`${partition}-${i}`);
      batch.put(new ObjectKey({ bucketType, bucket, key }).copy(partition), Buffer.from('v'));
    }
  }
  await engine.write(batch, 'os');
  return engine;
}

/** The engine with its open cursors counted, and a failure when told. */
function watched(engine: StorageEngine) {
  const watch = { open: 0, fails: false };
  const scan = (range: Parameters<StorageEngine['scan']>[0], options?: ScanOptions) => {
    const cursor = engine.scan(range, options);
    watch.open += 1;
    let isOpen = true;
    return {
      next: (limits: Parameters<typeof cursor.next>[0]) =>
        watch.fails ? Promise.reject(new StorageError('io', 'sick disk')) : cursor.next(limits),
      seek: (key: Buffer) => cursor.seek(key),
      close: () => {
        if (isOpen) watch.open -= 1;
        isOpen = false;
        return cursor.close();
      },
    };
  };
  return { watch, engine: Object.assign(Object.create(engine) as StorageEngine, { scan }) };
}

async function listing() {
  const { watch, engine } = watched(await twoPartitions());
  const clock = new HandClock();
  const parts = { engine, clock, deadline: 1000 as Instant };
  return { watch, clock, parts, keys: listKeys(parts, { bucketType, bucket }, steps, () => first) };
}

const failsWith = (code: string) => (error: unknown) =>
  error instanceof KvFailure && error.error.code === code;

test('a listing pulls slice after slice of all partitions, and has no cursor open at its end', async () => {
  const { watch, keys } = await listing();
  const found = new Set<string>();
  let slices = 0;
  for (let names = await keys.next(); names !== undefined; names = await keys.next()) {
    for (const name of names) found.add(name);
    slices += 1;
    assert.equal(watch.open, 1);
  }
  assert.equal(found.size, 1400);
  assert.equal(slices, 4);
  assert.equal(watch.open, 0);
  assert.equal(await keys.next(), undefined);
});

test('a listing ends with its deadline, and releases its cursor', async () => {
  const { watch, clock, keys } = await listing();
  await keys.next();
  clock.nowMs = 1001;
  await assert.rejects(keys.next(), failsWith('timeout'));
  assert.equal(watch.open, 0);
  assert.equal(await keys.next(), undefined);
});

test('a storage failure in the middle is told once, and releases the cursor', async () => {
  const { watch, keys } = await listing();
  await keys.next();
  watch.fails = true;
  await assert.rejects(keys.next(), failsWith('storage'));
  assert.equal(watch.open, 0);
  assert.equal(await keys.next(), undefined);
});

test('closing in the midst of next(), before it and twice releases the cursor and rejects nobody', async () => {
  const { watch, parts, keys } = await listing();
  await keys.next();
  const pulling = keys.next();
  await keys.close();
  await pulling;
  await keys.close();
  assert.equal(await keys.next(), undefined);
  assert.equal(watch.open, 0);
  const buckets = listBuckets(parts, bucketType, steps);
  const finding = buckets.next();
  await buckets.close();
  await finding;
  assert.equal(await buckets.next(), undefined);
  assert.equal(watch.open, 0);
});

test('a bucket that is in several partitions is listed once', async () => {
  const { parts } = await listing();
  const buckets = listBuckets(parts, bucketType, steps);
  assert.deepEqual(await buckets.next(), ['b']);
  assert.equal(await buckets.next(), undefined);
});
