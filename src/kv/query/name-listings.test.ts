import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { CoverageWalk, WalkService } from '../../core/coverage/index.ts';
import { type Partition, ringSizeMin } from '../../core/ring/index.ts';
import { SoloTopology } from '../../core/topology/index.ts';
import { noPeers, VnodeRouter } from '../../core/vnode/index.ts';
import { type Clock, type Instant, nodeIdOf, type Tasks, type WallMicros } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import {
  openMemoryEngine,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  WriteBatch,
} from '../../storage/index.ts';
import { KvFailure, type NameStream } from '../index.ts';
import { ObjectKey } from '../vnode/index.ts';
import { WalkedItems } from './coverage-queries.ts';
import { bucketOfItem, encodeNameQuery, type NameQuery, NameWalks } from './name-walk.ts';

const tasks: Tasks = { spawn: (_name, body) => void body(), endOfTurn: (run) => void setImmediate(run) };
const timers = { after: () => ({ cancel: () => {} }) };
const bucketType = byteLiteral('default');
const bucket = byteLiteral('b');
/** Several slices of each. */
const keysEach = 12_000;
const [first, second] = [0 as Partition, 1 as Partition];
class HandClock implements Clock {
  nowMs = 0;
  now(): Instant {
    return this.nowMs as Instant;
  }
  wallMicros(): WallMicros {
    return 0 as WallMicros;
  }
}

async function twoPartitions(): Promise<StorageEngine> {
  const engine = await openMemoryEngine({}, { tasks, timers });
  const batch = new WriteBatch();
  for (const partition of [first, second]) {
    for (let i = 0; i < keysEach; i++) {
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
  const topology = new SoloTopology(nodeIdOf('a@host'), ringSizeMin);
  const ownership = { epoch: 1, serves: () => true };
  const walks = new WalkService(new NameWalks(engine, () => first), ownership, tasks);
  const router = new VnodeRouter(topology.self, walks, noPeers);
  const begin = (query: NameQuery): NameStream => {
    const walked = { query: encodeNameQuery(query), n: 1, offset: 0, deadline: 1000 as Instant };
    const walk = new CoverageWalk({ topology, clock, timers, router }, walked);
    return new WalkedItems(walk, (items) =>
      query.kind === 'keys' ? items : items.map((item) => bucketOfItem(item)),
    );
  };
  return { watch, clock, begin, keys: begin({ kind: 'keys', bucketType, bucket }) };
}

/** A slice that is being read is read to its end, wanted or not. */
async function sliceRead(watch: { readonly open: number }): Promise<void> {
  for (let waits = 0; waits < 500 && watch.open > 0; waits += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function takeAll(names: NameStream): Promise<void> {
  for (let next = await names.next(); next !== undefined; next = await names.next());
}

const failsWith = (code: string) => (error: unknown) =>
  error instanceof KvFailure && error.error.code === code;

test('a listing pulls slice after slice of all partitions, and holds no cursor between two of them', async () => {
  const { watch, keys } = await listing();
  const found: string[] = [];
  for (let names = await keys.next(); names !== undefined; names = await keys.next()) {
    found.push(...names);
    // The slice that is read ahead of the consumer.
    await sliceRead(watch);
    assert.equal(watch.open, 0);
  }
  assert.equal(found.length, 2 * keysEach);
  assert.deepEqual(found, [...new Set(found)].sort(), 'each once, in byte order');
  assert.equal(watch.open, 0);
  assert.equal(await keys.next(), undefined);
});

test('a listing ends with its deadline, and releases its cursor', async () => {
  const { watch, clock, keys } = await listing();
  await keys.next();
  clock.nowMs = 1001;
  await assert.rejects(takeAll(keys), failsWith('timeout'));
  await sliceRead(watch);
  assert.equal(watch.open, 0);
  assert.equal(await keys.next(), undefined);
});

test('a storage failure in the middle is told once, and releases the cursor', async () => {
  const { watch, keys } = await listing();
  await keys.next();
  watch.fails = true;
  await assert.rejects(takeAll(keys), failsWith('storage'));
  await sliceRead(watch);
  assert.equal(watch.open, 0);
  assert.equal(await keys.next(), undefined);
});

test('closing in the midst of next(), before it and twice releases the cursor and rejects nobody', async () => {
  const { watch, begin, keys } = await listing();
  await keys.next();
  const pulling = keys.next();
  await keys.close();
  await pulling;
  await keys.close();
  assert.equal(await keys.next(), undefined);
  await sliceRead(watch);
  assert.equal(watch.open, 0);
  const buckets = begin({ kind: 'buckets', bucketType });
  const finding = buckets.next();
  await buckets.close();
  await finding;
  assert.equal(await buckets.next(), undefined);
  await sliceRead(watch);
  assert.equal(watch.open, 0);
});

test('a bucket that is in several partitions is listed once', async () => {
  const { begin } = await listing();
  const buckets = begin({ kind: 'buckets', bucketType });
  assert.deepEqual(await buckets.next(), ['b']);
  assert.equal(await buckets.next(), undefined);
});
