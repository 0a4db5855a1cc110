import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Instant } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { type CursorLimits, type StorageEngine, StorageError, WriteBatch } from '../../storage/index.ts';
import { tombstoneContent } from '../../wire/index.ts';
import { makeObject, type VersionedObject } from '../object/index.ts';
import { ObjectKey, ReapedVersions, reapedMsMin } from './index.ts';
import { memoryEngine } from './vnodes.fixture.ts';

const [here, there] = [0 as Partition, 1 as Partition];

function keyOf(name: string): ObjectKey {
  return new ObjectKey({
    bucketType: byteLiteral('default'),
    bucket: byteLiteral('b'),
    key: byteLiteral(name),
  });
}

function tombstone(counter: number): VersionedObject {
  const dot = { actor: actorId(byteLiteral('vnode--1'), 1), counter };
  const content = tombstoneContent(byteLiteral('vtag'), counter);
  return makeObject(VersionVector.empty.with(dot, 0), [{ dot, content }]);
}

test('what was reaped is remembered for its time, in its partition, the latest of a key', () => {
  let nowMs = 5;
  const reaped = new ReapedVersions({ now: () => nowMs as Instant });
  assert.equal(reaped.of(here, keyOf('k')), undefined);
  const [first, second] = [tombstone(1), tombstone(2)];
  const batch = new WriteBatch();
  reaped.add(batch, here, keyOf('k'), first);
  assert.deepEqual(reaped.of(here, keyOf('k'))?.bytes, first.bytes);
  assert.equal(reaped.of(there, keyOf('k')), undefined);
  assert.equal(reaped.of(here, keyOf('l')), undefined);
  nowMs += reapedMsMin - 1;
  reaped.add(batch, here, keyOf('k'), second);
  nowMs += 2;
  assert.deepEqual(reaped.of(here, keyOf('k'))?.bytes, second.bytes);
  nowMs += reapedMsMin;
  assert.equal(reaped.of(here, keyOf('k')), undefined);
});

test('room: there is no more than the bound, and it comes back with time', () => {
  let nowMs = 0;
  const batch = new WriteBatch();
  const reaped = new ReapedVersions({ now: () => nowMs as Instant }, { versionsMax: 2 });
  reaped.add(batch, here, keyOf('k'), tombstone(1));
  assert.equal(reaped.hasRoom, true);
  nowMs = 10;
  reaped.add(batch, here, keyOf('l'), tombstone(2));
  assert.equal(reaped.hasRoom, false);
  nowMs = reapedMsMin;
  assert.equal(reaped.hasRoom, true);
  assert.equal(reaped.of(here, keyOf('l'))?.isTombstone, true);
  const third = new WriteBatch();
  reaped.add(third, here, keyOf('m'), tombstone(3));
  assert.equal(reaped.size, 2, 'the oldest made room');
  assert.deepEqual(third.keys, [keyOf('k').reapedRecord(here), keyOf('m').reapedRecord(here)]);
  assert.deepEqual(third.values, [undefined, tombstone(3).bytes]);
});

test('C8: what was reaped is remembered by the process that comes after, for all of its time, and then removed', async () => {
  const engine = await memoryEngine();
  let nowMs = 0;
  const before = new ReapedVersions({ now: () => nowMs as Instant });
  const batch = new WriteBatch();
  before.add(batch, here, keyOf('k'), tombstone(1));
  before.add(batch, there, keyOf('l'), tombstone(2));
  before.add(batch, there, keyOf('l'), tombstone(3));
  await engine.write(batch, 'os');
  nowMs = 50;
  const after = new ReapedVersions({ now: () => nowMs as Instant });
  assert.equal(await after.load(engine, [here, there]), 0);
  assert.equal(after.size, 2);
  assert.deepEqual(after.of(here, keyOf('k'))?.bytes, tombstone(1).bytes);
  assert.deepEqual(after.of(there, keyOf('l'))?.bytes, tombstone(3).bytes);
  assert.equal(after.of(there, keyOf('k')), undefined);
  nowMs = 49 + reapedMsMin;
  assert.notEqual(after.of(here, keyOf('k')), undefined);
  assert.equal(after.oldestMs, 1);
  nowMs += 1;
  const removal = new WriteBatch();
  after.forgetOld(removal, 1);
  assert.equal(after.size, 1, 'no more at once than was said');
  after.forgetOld(removal, 1);
  await engine.write(removal, 'os');
  const again = new ReapedVersions({ now: () => nowMs as Instant });
  await again.load(engine, [here, there]);
  assert.equal(again.size, 0);
});

test('damaged records are counted, and the others are remembered', async () => {
  const corrupt = new StorageError('corrupt', 'a test damaged it');
  const memory = await memoryEngine();
  const batch = new WriteBatch();
  new ReapedVersions({ now: () => 0 as Instant }).add(batch, here, keyOf('k'), tombstone(1));
  batch.put(keyOf('m').reapedRecord(here), Buffer.from('rot'));
  await memory.write(batch, 'os');
  const engine: StorageEngine = Object.assign(Object.create(memory), {
    scan(...[range, options]: Parameters<StorageEngine['scan']>) {
      options?.corrupt?.(keyOf('l').reapedRecord(here), corrupt);
      return memory.scan(range, options);
    },
  });
  const reaped = new ReapedVersions({ now: () => 0 as Instant });
  assert.equal(await reaped.load(engine, [here]), 2);
  assert.equal(reaped.size, 1);
});

test('room: no more bytes than the bound and one, and they come back with time', () => {
  let nowMs = 0;
  const one = keyOf('k').reapedRecord(here).length + tombstone(1).bytes.length;
  const reaped = new ReapedVersions({ now: () => nowMs as Instant }, { bytesMax: 2 * one });
  for (const name of ['k', 'k', 'l']) {
    assert.equal(reaped.hasRoom, true);
    reaped.add(new WriteBatch(), here, keyOf(name), tombstone(1));
  }
  assert.equal(reaped.byteLength, 2 * one, 'a key once');
  assert.equal(reaped.hasRoom, false);
  nowMs = reapedMsMin;
  assert.equal(reaped.hasRoom, true);
  const batch = new WriteBatch();
  reaped.add(batch, here, keyOf('m'), tombstone(1));
  assert.deepEqual(batch.keys, [keyOf('k').reapedRecord(here), keyOf('m').reapedRecord(here)]);
  assert.equal(reaped.byteLength, 2 * one);
  reaped.forgetOld(new WriteBatch(), 1);
  assert.equal(reaped.byteLength, one);
});

test('a ring of 1,024: what is remembered is found in a read a partition that has anything, and in one where none has', async () => {
  const engine = await memoryEngine();
  let [scans, reads] = [0, 0];
  const counting: StorageEngine = Object.assign(Object.create(engine), {
    scan(...[range, options]: Parameters<StorageEngine['scan']>) {
      scans += 1;
      const cursor = engine.scan(range, options);
      return {
        seek: (key: Buffer) => cursor.seek(key),
        close: () => cursor.close(),
        next(limits: CursorLimits) {
          reads += 1;
          return cursor.next(limits);
        },
      };
    },
  });
  const load = async () => {
    [scans, reads] = [0, 0];
    const reaped = new ReapedVersions({ now: () => 0 as Instant });
    assert.equal(await reaped.load(counting, partitions), 0);
    return reaped;
  };
  const partitions = Array.from({ length: 1024 }, (_, partition) => partition as Partition);
  assert.equal((await load()).size, 0);
  assert.deepEqual([scans, reads], [1, 1]);

  // Beside objects and nothing, alone, twice; at both ends.
  const where = [0, 1, 2, 511, 600, 1022, 1023] as Partition[];
  const batch = new WriteBatch();
  const stored = new ReapedVersions({ now: () => 0 as Instant });
  for (const partition of where) stored.add(batch, partition, keyOf('k'), tombstone(partition + 1));
  stored.add(batch, where[3], keyOf('l'), tombstone(1));
  const others = [0, 3, 4, 511, 800, 1023] as Partition[];
  for (const partition of others) {
    for (const name of ['o', 'p']) batch.put(keyOf(name).copy(partition), tombstone(1).bytes);
  }
  await engine.write(batch, 'os');
  const reaped = await load();
  assert.equal(reaped.size, where.length + 1);
  for (const partition of where) {
    assert.deepEqual(reaped.of(partition, keyOf('k'))?.bytes, tombstone(partition + 1).bytes);
  }
  assert.notEqual(reaped.of(where[3], keyOf('l')), undefined);
  assert.equal(scans, 1 + where.length);
  const hopsMax = where.length + others.length + 1;
  assert.equal(reads <= hopsMax + 2 * where.length, true, `${reads} reads`);
});

test('where some of the database cannot be read, every partition is looked into', async () => {
  const memory = await memoryEngine();
  const batch = new WriteBatch();
  new ReapedVersions({ now: () => 0 as Instant }).add(batch, there, keyOf('k'), tombstone(1));
  await memory.write(batch, 'os');
  const engine: StorageEngine = Object.assign(Object.create(memory), {
    scan(...[range, options]: Parameters<StorageEngine['scan']>) {
      if (options?.keysOnly !== true) return memory.scan(range, options);
      // As a walk that steps over a damaged block, and tells of it at its end.
      options.corrupt?.(undefined, new StorageError('corrupt', 'a test damaged it'));
      return memory.scan({ from: range.to, to: range.to });
    },
  });
  const reaped = new ReapedVersions({ now: () => 0 as Instant });
  assert.equal(await reaped.load(engine, [here, there]), 0);
  assert.notEqual(reaped.of(there, keyOf('k')), undefined);
});
