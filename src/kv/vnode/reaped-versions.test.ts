import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Instant } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { type StorageEngine, StorageError, WriteBatch } from '../../storage/index.ts';
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
  const reaped = new ReapedVersions({ now: () => nowMs as Instant }, 2);
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
