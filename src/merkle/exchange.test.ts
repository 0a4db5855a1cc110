import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  branchesOf,
  Exchange,
  type ExchangeStep,
  Hash64,
  SegmentSet,
  segmentCount,
  segmentOf,
  TictacTree,
} from './index.ts';

const keys = fc.integer({ min: 0, max: 2000 }).map((n) => Hash64.of(n, Math.imul(n, 0x9e3779b1)));
const set = fc.uniqueArray(fc.tuple(keys, fc.integer({ min: 0, max: 3 })), {
  selector: ([key]) => key.high,
  maxLength: 80,
});
type Pairs = readonly (readonly [Hash64, number])[];

function treeOf(pairs: Pairs): TictacTree {
  const tree = new TictacTree();
  for (const [key, version] of pairs) tree.add(key, Hash64.of(0, version));
  return tree;
}

/** Plays the other side of an exchange; counts the hashes that it sends. */
function compare(mine: TictacTree, theirs: TictacTree): { segments: SegmentSet; hashes: number } {
  const exchange = new Exchange(mine);
  let step: ExchangeStep = exchange.begin();
  let hashes = 0;
  while (step.kind !== 'done') {
    if (step.kind === 'ask-top') {
      const { root } = theirs;
      const isSame = root.high === step.root.high && root.low === step.root.low;
      hashes += isSame ? 1 : 32;
      step = isSame ? exchange.same() : exchange.top(theirs.top.slice());
    } else {
      const levels = branchesOf(step.branches).map((branch) => theirs.leavesOf(branch).slice());
      hashes += 32 * levels.length;
      step = exchange.leaves(levels);
    }
  }
  return { segments: step.segments, hashes };
}

test('law: an exchange ends with just the segments whose pairs differ, from either side', () => {
  fc.assert(
    fc.property(set, set, set, (common, left, right) => {
      const known = new Set(common.map(([key]) => key.high));
      const fresh = (pairs: Pairs) => pairs.filter(([key]) => !known.has(key.high));
      const mine = [...common, ...fresh(left)];
      const theirs = [...common, ...fresh(right)];
      const names = (pairs: Pairs) => new Map(pairs.map((pair) => [`${pair[0].high}=${pair[1]}`, pair[0]]));
      const [a, b] = [names(mine), names(theirs)];
      const expected = SegmentSet.of(
        [...a, ...b].filter(([name]) => a.has(name) !== b.has(name)).map(([, key]) => segmentOf(key)),
      );
      const result = compare(treeOf(mine), treeOf(theirs));
      assert.deepEqual(result.segments.segments(), expected.segments());
      assert.deepEqual(compare(treeOf(theirs), treeOf(mine)).segments.segments(), expected.segments());
      const branches = new Set(expected.segments().map((segment) => segment >> 5)).size;
      assert.equal(
        result.hashes,
        expected.isEmpty ? 1 : 32 + 32 * branches,
        'work is bounded by what differs',
      );
    }),
  );
});

test('R58: the last entries of the last segment, removed at one side, show, with another tree after it', () => {
  const last = Hash64.of(1, segmentCount - 1);
  const other = Hash64.of(2, 2 * segmentCount - 1);
  const mine = treeOf([
    [last, 1],
    [other, 1],
  ]);
  const theirs = treeOf([]);
  assert.deepEqual(compare(mine, theirs).segments.segments(), [segmentCount - 1]);
  mine.remove(last, Hash64.of(0, 1));
  mine.remove(other, Hash64.of(0, 1));
  assert.ok(compare(mine, theirs).segments.isEmpty);
  assert.ok(mine.equals(theirs));
});

test('law: a segment set is a set', () => {
  const some = fc.array(fc.integer({ min: 0, max: segmentCount - 1 }), { maxLength: 50 });
  fc.assert(
    fc.property(some, some, (left, right) => {
      const sorted = [...new Set(left)].sort((a, b) => a - b);
      assert.deepEqual(SegmentSet.of(left).segments(), sorted);
      assert.equal(SegmentSet.of(left).size, sorted.length);
      assert.equal(SegmentSet.of(left).isEmpty, sorted.length === 0);
      const both = sorted.filter((segment) => right.includes(segment));
      assert.deepEqual(SegmentSet.of(left).intersection(SegmentSet.of(right)).segments(), both);
    }),
  );
  assert.equal(SegmentSet.all.size, segmentCount);
});
