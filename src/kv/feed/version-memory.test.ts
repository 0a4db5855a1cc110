import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import { VersionMemory } from './version-memory.ts';

const actors = ['vnode--1', 'vnode--2'].map((id) => actorId(byteLiteral(id), 1));
const key = byteLiteral('k');

/** A clock of so many writes of each of two actors. */
function clockOf(counts: readonly number[]): VersionVector {
  let clock = VersionVector.empty;
  for (const [index, count] of counts.entries()) {
    if (count > 0) clock = clock.with({ actor: actors[index]!, counter: count }, 0);
  }
  return clock;
}

function digestOf(counts: readonly number[]): ByteString {
  return byteLiteral(counts.join());
}

test('V1 to V3: nothing older or the same, everything else; against all that was handed out', () => {
  const versions = fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 })).filter(([a, b]) => a + b > 0);
  fc.assert(
    fc.property(fc.array(versions, { maxLength: 30 }), (shown) => {
      const memory = new VersionMemory(10);
      const handedOut: (readonly number[])[] = [];
      for (const counts of shown) {
        const isNews = memory.isNews(key, clockOf(counts), digestOf(counts));
        const isBelow = (other: readonly number[]) => counts.every((count, i) => count <= other[i]!);
        const last = handedOut.at(-1);
        const high = [0, 1].map((i) => Math.max(0, ...handedOut.map((one) => one[i]!)));
        const isHigh = counts.every((count, i) => count === high[i]);
        const isOld = last !== undefined && (isBelow(last) || (isBelow(high) && !isHigh));
        assert.equal(isNews, !isOld);
        if (isNews) handedOut.push(counts);
        // What matters to who follows: never something strictly older than anything before.
        if (isNews) {
          assert.ok(
            !handedOut.slice(0, -1).some((one) => isBelow(one) && one.some((count, i) => count > counts[i]!)),
          );
        }
      }
    }),
  );
});

test('what is gone is told once, and what is stored again after it', () => {
  const memory = new VersionMemory(10);
  const [one, two] = [clockOf([1, 0]), clockOf([1, 1])];
  assert.equal(memory.isNews(key, undefined, byteLiteral('')), true, 'whatever it was');
  assert.equal(memory.isNews(key, undefined, byteLiteral('')), false);
  assert.equal(memory.isNews(key, one, byteLiteral('1')), true);
  assert.equal(memory.isNews(key, undefined, byteLiteral('')), true);
  assert.equal(memory.isNews(key, one, byteLiteral('1')), false, 'an old copy is back');
  assert.equal(memory.isNews(key, two, byteLiteral('2')), true);
});

test('it remembers so many keys, those that were told last', () => {
  const memory = new VersionMemory(2);
  const clock = clockOf([1, 0]);
  for (const name of ['a', 'b', 'c']) memory.isNews(byteLiteral(name), clock, byteLiteral('d'));
  assert.equal(memory.has(byteLiteral('a'), byteLiteral('d')), false);
  assert.equal(memory.has(byteLiteral('b'), byteLiteral('d')), true);
  assert.equal(memory.has(byteLiteral('c'), byteLiteral('d')), true);
  assert.equal(memory.has(byteLiteral('c'), byteLiteral('other')), false);
});
