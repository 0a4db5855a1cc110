/** C1 and C2, and the operations on contexts, against plain sets of dots. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VersionVector } from '../clocks/index.ts';
import { CausalContext } from './causal-context.ts';
import { contextRangesMax, decodeContext, encodeContext } from './context-encoding.ts';
import { actorOf } from './replica.fixture.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 1000);
const actors = [actorOf(1), actorOf(2), actorOf(0x80)];
const numbers = fc.uniqueArray(fc.nat({ max: 35 }), { size: 'max', maxLength: 30 });

const dotOf = (n: number) => ({ actor: actors[n % 3], counter: Math.floor(n / 3) + 1 });
const contextOf = (set: Iterable<number>) => CausalContext.ofDots([...set].map(dotOf));
const textOf = (context: CausalContext) => encodeContext(context).toString('hex');

test('C1, C2: equal sets of dots are equal contexts with equal bytes, in whatever order they came', () => {
  fc.assert(
    fc.property(numbers, (set) => {
      const context = contextOf(set);
      const again = contextOf([...set].reverse());
      assert.ok(context.equals(again));
      assert.equal(textOf(context), textOf(again));
      assert.deepEqual(decodeContext(encodeContext(context)), context);
      for (const { ranges } of context.entries) {
        assert.ok(ranges.length > 0);
        ranges.forEach((end, i) => {
          if (i > 0) assert.ok(i % 2 === 1 ? end >= ranges[i - 1] : end > ranges[i - 1] + 1);
        });
      }
    }),
    { numRuns },
  );
});

test('union, difference, inclusion and coverage are those of sets', () => {
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const [left, right] = [contextOf(a), contextOf(b)];
      const inBoth = a.filter((n) => b.includes(n));
      assert.ok(left.union(right).equals(contextOf([...a, ...b])));
      assert.ok(left.minus(right).equals(contextOf(a.filter((n) => !b.includes(n)))));
      assert.equal(left.includes(right), inBoth.length === b.length);
      assert.equal(left.isDisjointFrom(right), inBoth.length === 0);
      assert.equal(left.equals(right), inBoth.length === a.length && a.length === b.length);
      for (let n = 0; n < 40; n += 1) assert.equal(left.covers(dotOf(n)), a.includes(n));
      for (const actor of actors) {
        const counters = a.map(dotOf).filter((dot) => dot.actor === actor);
        assert.equal(left.highestOf(actor), Math.max(0, ...counters.map(({ counter }) => counter)));
        const before = a.filter((n) => dotOf(n).actor !== actor || dotOf(n).counter < 5);
        assert.ok(left.before(actor, 5).equals(contextOf(before)));
      }
    }),
    { numRuns },
  );
});

test('a context that was cut, altered, or is a clock is refused', () => {
  const context = CausalContext.ofRange(actors[0], 1, 9).union(CausalContext.ofRange(actors[1], 4, 2 ** 40));
  const bytes = encodeContext(context);
  const actorsAndRanges = [
    'ff00000000000001',
    '00000001',
    '010008',
    'ff00000000000002',
    '00000001',
    '0103fcffffffff1f',
  ];
  assert.equal(bytes.subarray(0, -4).toString('hex'), ['1102', ...actorsAndRanges].join(''));
  for (let length = 0; length < bytes.length; length += 1) {
    assert.equal(decodeContext(bytes.subarray(0, length)), undefined);
  }
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flipped) => {
      const altered = Buffer.from(bytes);
      altered[at] ^= flipped;
      assert.equal(decodeContext(altered), undefined);
    }),
  );
  const clock = VersionVector.empty.with({ actor: actors[0], counter: 3 }, 1);
  assert.equal(decodeContext(clock.encode()), undefined);
});

test('a context of more ranges than any state has is refused', () => {
  const withRanges = (count: number) => {
    const ranges = Array.from({ length: count * 2 }, (_, i) => i * 2 + 1 - (i % 2));
    return encodeContext(CausalContext.ofSorted([{ actor: actors[0], ranges }]));
  };
  assert.notEqual(decodeContext(withRanges(contextRangesMax)), undefined);
  assert.equal(decodeContext(withRanges(contextRangesMax + 1)), undefined);
});
