import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import type { Instant } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { makeObject } from '../object/index.ts';
import { ObjectKey } from '../vnode/index.ts';
import { NameHash } from './name-hash.ts';
import { ReapsUnderWay } from './reaps-under-way.ts';

const actor = actorId(byteLiteral('vnode--1'), 1);
const content = Buffer.from([0x0a, 0x01, 0x76]);
const [bucketType, bucket] = [byteLiteral('default'), byteLiteral('b')];
const keyOf = (name: string) => new ObjectKey({ bucketType, bucket, key: byteLiteral(name) });
const version = (counter: number) =>
  makeObject(VersionVector.of([{ actor, counter, seconds: 0 }]), [{ dot: { actor, counter }, content }]);

function opened(deleteMode: number) {
  const clock = { nowMs: 1000, now: () => clock.nowMs as Instant };
  return { clock, reaps: new ReapsUnderWay(clock, new NameHash(), deleteMode) };
}

test('a version of a key is reaped once until it may have been forgotten; others are not held up by it', () => {
  const { clock, reaps } = opened(3000);
  assert.equal(reaps.begin(keyOf('a'), version(1)), true);
  assert.equal(reaps.begin(keyOf('a'), version(1)), false);
  assert.deepEqual([reaps.begin(keyOf('b'), version(1)), reaps.begin(keyOf('a'), version(2))], [true, true]);
  clock.nowMs += 2999;
  assert.equal(reaps.begin(keyOf('a'), version(1)), false);
  clock.nowMs += 1;
  assert.equal(reaps.begin(keyOf('a'), version(1)), true);
});

test('of more than ten thousand the oldest makes room', () => {
  const { reaps } = opened(3000);
  for (let counter = 1; counter <= 10_001; counter += 1) reaps.begin(keyOf('a'), version(counter));
  assert.equal(reaps.begin(keyOf('a'), version(2)), false);
  assert.equal(reaps.begin(keyOf('a'), version(1)), true);
});
