import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Instant } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { tombstoneContent } from '../../wire/index.ts';
import { makeObject, type VersionedObject } from '../object/index.ts';
import { ObjectKey, ReapedVersions, reapedMsMin } from './index.ts';

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
  reaped.add(here, keyOf('k'), first);
  assert.deepEqual(reaped.of(here, keyOf('k'))?.bytes, first.bytes);
  assert.equal(reaped.of(there, keyOf('k')), undefined);
  assert.equal(reaped.of(here, keyOf('l')), undefined);
  nowMs += reapedMsMin - 1;
  reaped.add(here, keyOf('k'), second);
  nowMs += 2;
  assert.deepEqual(reaped.of(here, keyOf('k'))?.bytes, second.bytes);
  nowMs += reapedMsMin;
  assert.equal(reaped.of(here, keyOf('k')), undefined);
});

test('room: there is no more than the bound, and it comes back with time', () => {
  let nowMs = 0;
  const reaped = new ReapedVersions({ now: () => nowMs as Instant }, 2);
  reaped.add(here, keyOf('k'), tombstone(1));
  assert.equal(reaped.hasRoom, true);
  nowMs = 10;
  reaped.add(here, keyOf('l'), tombstone(2));
  assert.equal(reaped.hasRoom, false);
  nowMs = reapedMsMin;
  assert.equal(reaped.hasRoom, true);
  assert.equal(reaped.of(here, keyOf('l'))?.isTombstone, true);
});
