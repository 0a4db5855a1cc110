import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { SoloTopology, type Topology } from '../../core/topology/index.ts';
import { type Log, nodeIdOf, type Tasks } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { GroupCommit, openMemoryEngine, type StorageEngine, StorageError } from '../../storage/index.ts';
import { tombstoneContent } from '../../wire/index.ts';
import { silentObserver } from '../kv-observer.ts';
import { makeObject, type VersionedObject } from '../object/index.ts';
import { type DeleteMode, ObjectKey, TombstoneReaper } from './index.ts';

const tasks: Tasks = { spawn: (_name, body) => void body(), endOfTurn: (run) => void setImmediate(run) };
const here = 3 as Partition;
const key = new ObjectKey({
  bucketType: byteLiteral('default'),
  bucket: byteLiteral('b'),
  key: byteLiteral('k'),
});

function tombstone(counter: number): VersionedObject {
  const dot = { actor: actorId(byteLiteral('vnode--1'), 1), counter };
  const content = tombstoneContent(byteLiteral('vtag'), counter);
  return makeObject(VersionVector.empty.with(dot, 0), [{ dot, content }]);
}

const solo = new SoloTopology(nodeIdOf('n@host'), 8);
const reapOf = (object: VersionedObject) =>
  ({ kind: 'reap', key, tombstone: object, first: here, n: 3 }) as const;

/** Timers that run when told to. */
class HandTimers {
  readonly due: { readonly delayMs: number; run: (() => void) | undefined }[] = [];
  after(delayMs: number, run: () => void) {
    const timer: (typeof this.due)[number] = { delayMs, run };
    this.due.push(timer);
    return { cancel: () => (timer.run = undefined) };
  }
  runAll(): void {
    for (const { run } of this.due.splice(0)) run?.();
  }
}

async function reaping(
  mode: DeleteMode,
  change: (engine: StorageEngine) => StorageEngine = (same) => same,
  topology: Topology = solo,
) {
  const timers = new HandTimers();
  const engine = change(await openMemoryEngine({}, { tasks, timers }));
  const commit = new GroupCommit(engine, tasks);
  const warnings: string[] = [];
  const log: Log = { debug() {}, info() {}, warn: (message) => warnings.push(message), error() {} };
  let reaped = 0;
  const observer = { ...silentObserver, tombstoneReaped: () => (reaped += 1) };
  const reaper = new TombstoneReaper({ commit, timers, mode, observer, log, topology });
  const store = (object: VersionedObject) =>
    new Promise<void>((resolve) => {
      commit.write(
        'os',
        (batch) => batch.put(key.copy(here), object.bytes),
        () => resolve(),
      );
    });
  const isStored = async () => {
    await commit.drain();
    return commit.engine.get(key.copy(here)) !== undefined;
  };
  return { reaper, timers, store, isStored, warnings, reaped: () => reaped };
}

test('a tombstone is kept for ever, removed at once, or removed after its time', async () => {
  const kept = await reaping('keep');
  await kept.store(tombstone(1));
  kept.reaper.reap(here, reapOf(tombstone(1)));
  kept.timers.runAll();
  assert.equal(await kept.isStored(), true);

  const removed = await reaping('immediate');
  await removed.store(tombstone(1));
  removed.reaper.reap(here, reapOf(tombstone(1)));
  assert.equal(await removed.isStored(), false);
  assert.equal(removed.reaped(), 1);

  const later = await reaping(3000);
  await later.store(tombstone(1));
  later.reaper.reap(here, reapOf(tombstone(1)));
  assert.equal(await later.isStored(), true);
  assert.deepEqual(
    later.timers.due.map(({ delayMs }) => delayMs),
    [3000],
  );
  later.timers.runAll();
  assert.equal(await later.isStored(), false);
});

test('what changed in between stays, also when it is only queued', async () => {
  const { reaper, timers, store, isStored, reaped } = await reaping(3000);
  await store(tombstone(1));
  reaper.reap(here, reapOf(tombstone(1)));
  const writing = store(tombstone(2));
  timers.runAll();
  await writing;
  assert.equal(await isStored(), true);
  assert.equal(reaped(), 0);
});

test('a second reap of one tombstone is harmless', async () => {
  const { reaper, store, isStored, reaped } = await reaping('immediate');
  await store(tombstone(1));
  reaper.reap(here, reapOf(tombstone(1)));
  reaper.reap(here, reapOf(tombstone(1)));
  assert.equal(await isStored(), false);
  assert.equal(reaped(), 1);
});

test('a tombstone that cannot be read or removed stays, and the next read tries again', async () => {
  let failing: 'no' | 'get' | 'write' = 'no';
  const failure = () => new StorageError('io', 'sick disk');
  const { reaper, store, isStored, warnings, reaped } = await reaping('immediate', (engine) =>
    Object.assign(Object.create(engine) as StorageEngine, {
      get(storageKey: Buffer) {
        if (failing === 'get') throw failure();
        return engine.get(storageKey);
      },
      write: (...args: Parameters<StorageEngine['write']>) =>
        failing === 'write' ? Promise.reject(failure()) : engine.write(...args),
    }),
  );
  await store(tombstone(1));
  failing = 'get';
  reaper.reap(here, reapOf(tombstone(1)));
  failing = 'no';
  assert.equal(await isStored(), true);
  failing = 'write';
  reaper.reap(here, reapOf(tombstone(1)));
  assert.equal(await isStored(), true);
  assert.equal(warnings.length, 1);
  failing = 'no';
  reaper.reap(here, reapOf(tombstone(1)));
  assert.equal(await isStored(), false);
  assert.equal(reaped(), 1);
});

test('a reaper that is closed removes nothing more', async () => {
  const { reaper, timers, store, isStored } = await reaping(3000);
  await store(tombstone(1));
  reaper.reap(here, reapOf(tombstone(1)));
  reaper.close();
  timers.runAll();
  assert.equal(await isStored(), true);
});

test('C8: what has changed while a tombstone waited keeps it: a node away, a move of any of its partitions, a new owner', async () => {
  const changes: Record<string, Partial<Topology>> = {
    'somebody is away': { isSettled: false },
    'another partition of the key moves': { isMoving: (partition) => partition === here + 2 },
    'the partition was moved away': { self: nodeIdOf('other@host') },
  };
  const unrelated: Record<string, Partial<Topology>> = {
    nothing: {},
    'a partition that does not hold the key moves': { isMoving: (partition) => partition === here + 3 },
  };
  const reapedUnder = async (change: Partial<Topology>) => {
    const topology: Topology = Object.create(solo, {
      preferenceList: { value: () => [] },
      isMoving: { value: () => false, writable: true },
      isSettled: { value: true, writable: true },
      self: { value: solo.self, writable: true },
    });
    const { reaper, timers, store, isStored } = await reaping(3000, undefined, topology);
    await store(tombstone(1));
    reaper.reap(here, reapOf(tombstone(1)));
    Object.assign(topology, change);
    timers.runAll();
    return !(await isStored());
  };
  for (const [what, change] of Object.entries(changes)) assert.equal(await reapedUnder(change), false, what);
  for (const [what, change] of Object.entries(unrelated)) assert.equal(await reapedUnder(change), true, what);
});
