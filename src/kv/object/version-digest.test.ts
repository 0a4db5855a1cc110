import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { byteStringOf } from '../../stdx/index.ts';
import { makeObject, sameVersion, VersionedObject, versionDigest } from './index.ts';

const content = Buffer.from([0x0a, 0x01, 0x76]);

function objectOf(entries: readonly (readonly [vnode: number, counter: number, seconds: number])[]) {
  const clock = VersionVector.of(
    entries.map(([vnode, counter, seconds]) => ({
      actor: actorId(byteStringOf(Buffer.alloc(8, vnode)), 1),
      counter,
      seconds,
    })),
  );
  return makeObject(clock, [{ dot: undefined, content }]);
}

const entries = fc.uniqueArray(
  fc.tuple(fc.nat({ max: 4 }), fc.integer({ min: 1, max: 3 }), fc.nat({ max: 2 })),
  { selector: ([vnode]) => vnode, maxLength: 4 },
);

test('two digests are equal just when the versions are', () => {
  fc.assert(
    fc.property(entries, entries, (one, other) => {
      const a = objectOf(one);
      const b = objectOf(other);
      assert.equal(versionDigest(a).equals(versionDigest(b)), sameVersion(a, b));
    }),
    { numRuns: 2000 },
  );
});

test('a version is another one with another number of siblings', () => {
  const actor = actorId(byteStringOf(Buffer.alloc(8, 1)), 1);
  const clock = VersionVector.of([{ actor, counter: 2, seconds: 0 }]);
  const [older, newer] = [1, 2].map((counter) => ({ dot: { actor, counter }, content }));
  const both = makeObject(clock, [older!, newer!]);
  const one = makeObject(clock, [newer!]);
  assert.equal(sameVersion(both, one), false);
  assert.equal(versionDigest(both).equals(versionDigest(one)), false);
});

test('a digest does not depend on where the bytes lie', () => {
  const object = objectOf([
    [1, 7, 0],
    [2, 9, 4],
  ]);
  const moved = Buffer.concat([Buffer.alloc(5), object.bytes]).subarray(5);
  assert.deepEqual(versionDigest(VersionedObject.decode(moved)), versionDigest(object));
});

test('every bit of a digest changes in about half of all next versions', () => {
  const flips = new Array<number>(64).fill(0);
  const rounds = 2000;
  for (let counter = 1; counter <= rounds; counter += 1) {
    const before = versionDigest(objectOf([[1, counter, 0]])).readBigUInt64BE();
    const after = versionDigest(objectOf([[1, counter + 1, 0]])).readBigUInt64BE();
    for (let bit = 0; bit < 64; bit += 1) if (((before ^ after) >> BigInt(bit)) & 1n) flips[bit] += 1;
  }
  for (const count of flips) assert.ok(count > rounds * 0.45 && count < rounds * 0.55, flips.join());
});
