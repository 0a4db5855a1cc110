import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OrderedMerge } from './ordered-merge.ts';

/** Each run's items, in the pieces in which they come; and in which order runs bring their next pieces. */
const stories = fc.record({
  runs: fc.array(fc.array(fc.integer({ min: 0, max: 99 }), { maxLength: 12 }), {
    minLength: 1,
    maxLength: 5,
  }),
  turns: fc.array(fc.record({ run: fc.nat(9), count: fc.nat(3), take: fc.nat(4) }), { maxLength: 60 }),
  /** The turn in which a run breaks off, and another goes on from its mark. */
  breaksAt: fc.nat(40),
});

const name = (n: number) => String(n).padStart(2, '0');

test('law: what is taken is the sorted union, each once, and never before something that comes later', () => {
  fc.assert(
    fc.property(stories, ({ runs, turns, breaksAt }) => {
      const merge = new OrderedMerge<string>();
      const expected = [...new Set(runs.flat())].sort((a, b) => a - b).map(name);
      const open = runs.map((items) => ({
        left: [...new Set(items)].sort((a, b) => a - b).map(name),
        run: merge.begin(),
        isEnded: false,
      }));
      const taken: string[] = [];
      const take = (count: number) => {
        taken.push(...merge.take(count));
        assert.deepEqual(taken, expected.slice(0, taken.length));
        const upTo = expected.filter((item) => item <= merge.place);
        assert.deepEqual(taken, upTo, 'the place says exactly what has been taken');
      };
      turns.forEach(({ run, count, take: wanted }, turn) => {
        const source = open[run % open.length]!;
        if (source.isEnded) return;
        if (turn === breaksAt) {
          const mark = merge.markOf(source.run);
          merge.end(source.run);
          source.run = merge.begin(mark);
        }
        const piece = source.left.splice(0, count);
        merge.add(source.run, piece, piece.at(-1) ?? merge.markOf(source.run));
        if (source.left.length === 0) {
          merge.end(source.run);
          source.isEnded = true;
        }
        take(wanted);
      });
      for (const source of open.filter((each) => !each.isEnded)) {
        merge.add(source.run, source.left, source.left.at(-1) ?? merge.markOf(source.run));
        merge.end(source.run);
      }
      assert.equal(merge.isEnded, expected.length === taken.length);
      take(1000);
      assert.deepEqual(taken, expected);
      assert.equal(merge.isEnded, true);
    }),
  );
});
