import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { byteLiteral, byteStringOf } from '../../stdx/index.ts';
import { encodeContent, stampContent, tombstoneContent } from '../../wire/index.ts';
import {
  expiryOfObject,
  lastExpiryOf,
  makeObject,
  mergeObjects,
  putObject,
  type Sibling,
  VersionedObject,
  withoutExpired,
} from './index.ts';

const actor = (n: number) => actorId(byteStringOf(Buffer.alloc(8, n + 1)), 1);
const second = 1_000_000;

/** `ends`: in seconds; 0: never; -1: a tombstone. */
function contentThat(ends: number, at: number): Buffer {
  if (ends < 0) return tombstoneContent(byteLiteral(`t${at}`), at);
  const content = { value: Buffer.from(`${ends}`), links: [], userMeta: [], indexes: [], deleted: false };
  const sent = ends === 0 ? content : { ...content, expiresAtMicros: ends * second };
  return stampContent(encodeContent(sent), byteLiteral(`v${at}`), at, 'kept');
}

function objectOf(ends: readonly number[]): VersionedObject {
  let clock = VersionVector.empty;
  const siblings: Sibling[] = ends.map((end, i) => {
    const dot = { actor: actor(i), counter: 1 };
    clock = clock.with(dot, 0);
    return { dot, content: contentThat(end, i) };
  });
  return makeObject(clock, siblings);
}

const endings = fc.array(fc.integer({ min: -1, max: 5 }), { minLength: 1, maxLength: 4 });

test('an object ends with the last of its contents, and never if one stays', () => {
  fc.assert(
    fc.property(endings, (ends) => {
      const object = objectOf(ends);
      const some = ends.some((end) => end > 0);
      assert.equal(object.mayExpire, some);
      const until = some && !ends.includes(0) ? Math.max(...ends) * second : undefined;
      assert.equal(expiryOfObject(object), until);
      assert.equal(lastExpiryOf(object), some ? Math.max(...ends) * second : 0);
      assert.equal(VersionedObject.decode(Buffer.from(object.bytes)).mayExpire, some, 'it is in the bytes');
    }),
  );
});

test('what is shown at any time is what has not ended, under the same clock; then a tombstone', () => {
  fc.assert(
    fc.property(endings, fc.integer({ min: 0, max: 6 * second }), (ends, now) => {
      const object = objectOf(ends);
      const shown = withoutExpired(object, now);
      const left = ends.filter((end) => end <= 0 || end * second > now);
      assert.ok(shown.context.equals(object.context));
      if (left.length === ends.length) assert.equal(shown, object);
      else if (left.length === 0) assert.ok(shown.isTombstone && shown.siblingCount === 1);
      else {
        const texts = shown.contents().map(({ deleted, value }) => (deleted ? '-1' : value.toString()));
        assert.deepEqual(texts.sort(), left.map(String).sort());
      }
    }),
  );
});

test('merging does not ask for the time: it is the join that it is without expiries', () => {
  fc.assert(
    fc.property(endings, endings, (left, right) => {
      const a = objectOf(left);
      const b = objectOf(right);
      const merged = mergeObjects(a, b);
      assert.deepEqual(mergeObjects(b, a).bytes, merged.bytes);
      assert.equal(mergeObjects(merged, a), merged);
    }),
  );
});

test('a write takes the place of what has expired, read or not', () => {
  const written = contentThat(0, 9);
  const put = (local: VersionedObject, allowMult: boolean, expiredByMicros: number) =>
    putObject(local, {
      context: VersionVector.empty,
      content: written,
      dot: { actor: actor(9), counter: 1 },
      seconds: 0,
      allowMult,
      lastWriteWins: false,
      expiredByMicros,
    });
  const local = objectOf([2, 3]);
  const values = (object: VersionedObject) => object.contents().map(({ value }) => value.toString());
  assert.deepEqual(values(put(local, true, 2 * second - 1)).sort(), ['0', '2', '3']);
  assert.deepEqual(values(put(local, true, 2 * second)).sort(), ['0', '3']);
  assert.deepEqual(values(put(local, true, 3 * second)), ['0']);
  const later = makeObject(VersionVector.empty.with({ actor: actor(0), counter: 1 }, 0), [
    { dot: { actor: actor(0), counter: 1 }, content: contentThat(2, 50) },
  ]);
  assert.deepEqual(values(put(later, false, second)), ['2'], 'it was modified later');
  assert.deepEqual(values(put(later, false, 2 * second)), ['0'], 'whatever its clock said');
  const merged = mergeObjects(put(local, true, 3 * second), local);
  assert.deepEqual(values(merged), ['0'], 'and does not come back');
});

test('an object may have more siblings than the stack holds', () => {
  const content = contentThat(5, 1);
  const siblings = Array.from({ length: 200_000 }, (_, at) => ({
    dot: { actor: actor(0), counter: at + 1 },
    content,
  }));
  assert.equal(lastExpiryOf(makeObject(VersionVector.empty, siblings)), 5 * second);
});
