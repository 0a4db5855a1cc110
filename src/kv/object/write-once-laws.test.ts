/** M4 against a slow oracle: of all that a key of a write-once bucket ever held, the first by one order stays. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { byteLiteral, byteStringOf } from '../../stdx/index.ts';
import { encodeContent, stampContent, tombstoneContent } from '../../wire/index.ts';
import { asisObject, mergeObjects, putObject, VersionedObject, writeOnceObject } from './index.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 2000);
const vtag = byteLiteral('vtag');

const actor = (n: number) => actorId(byteStringOf(Buffer.from([n, 2, 3, 4, 5, 6, 7, 8])), 1);

function contentOf(value: string, micros: number): Buffer {
  if (value === '') return tombstoneContent(vtag, micros);
  const bare = { value: Buffer.from(value), links: [], userMeta: [], indexes: [], deleted: false };
  return stampContent(encodeContent(bare), vtag, micros);
}

const contents = fc
  .tuple(fc.constantFrom('', 'a', 'b', 'long value'), fc.nat({ max: 2 }))
  .map(([value, micros]) => contentOf(value, micros));
const actors = fc.nat({ max: 5 }).map(actor);
const written = fc.tuple(actors, contents).map(([who, content]) => writeOnceObject(who, content));
const copied = fc
  .tuple(actors, contents)
  .map(([who, content]) =>
    asisObject(VersionVector.empty.with({ actor: who, counter: 1 }, 0), content, true),
  );
const others = fc.tuple(actors, contents).map(([who, content]) =>
  putObject(undefined, {
    context: VersionVector.empty,
    content,
    dot: { actor: who, counter: 1 },
    seconds: 0,
    allowMult: true,
    lastWriteWins: false,
  }),
);
const objects = fc.oneof({ weight: 5, arbitrary: written }, copied, others);

/** Tombstones first, then by stamp, then by bytes. */
function firstOf(written: readonly VersionedObject[]): VersionedObject {
  const rank = (object: VersionedObject) => {
    const [content] = object.contents();
    const micros = String(content!.lastModifiedMicros).padStart(20, '0');
    return `${content!.deleted ? 0 : 1} ${micros} ${object.bytes.toString('hex')}`;
  };
  return [...written].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0]!;
}

test('M4: whatever the order, the path and the number of times, the first of all writes stays', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(written, copied), { minLength: 1, maxLength: 8 }),
      fc.infiniteStream(fc.nat()),
      (versions, shuffle) => {
        const expected = firstOf(versions).bytes;
        for (let replica = 0; replica < 3; replica += 1) {
          const order = [...versions, ...versions].map((object) => ({ object, key: shuffle.next().value }));
          const held = order
            .sort((a, b) => a.key - b.key)
            .map(({ object }) => VersionedObject.decode(Buffer.from(object.bytes)))
            .reduce(mergeObjects);
          assert.deepEqual(held.bytes, expected);
          assert.equal(held.siblingCount, 1);
          assert.ok(held.isWriteOnce);
        }
      },
    ),
    { numRuns },
  );
});

test('M4: merging is commutative, associative and idempotent, to the byte, also beside other objects', () => {
  fc.assert(
    fc.property(objects, objects, objects, (a, b, c) => {
      assert.deepEqual(mergeObjects(a, b).bytes, mergeObjects(b, a).bytes);
      const left = mergeObjects(mergeObjects(a, b), c);
      assert.deepEqual(left.bytes, mergeObjects(a, mergeObjects(b, c)).bytes);
      assert.equal(mergeObjects(a, VersionedObject.decode(Buffer.from(a.bytes))), a, 'nothing to store');
      assert.equal(mergeObjects(left, b), left, 'nothing to store once it is in');
    }),
    { numRuns },
  );
});

test('the stored form says that an object is written once, and nothing else changes by it', () => {
  const content = contentOf('a', 7);
  const once = writeOnceObject(actor(1), content);
  const decoded = VersionedObject.decode(Buffer.from(once.bytes));
  assert.ok(decoded.isWriteOnce && !decoded.isTombstone);
  assert.ok(writeOnceObject(actor(1), contentOf('', 7)).isTombstone);
  assert.ok(!asisObject(once.clock, content).isWriteOnce);
  assert.deepEqual(decoded.contents()[0]!.value, Buffer.from('a'));
});
