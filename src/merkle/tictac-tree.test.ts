import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeTree, encodeTree, Hash64, segmentCount, segmentOf, TictacTree } from './index.ts';
import { branchCount, leavesPerBranch } from './tree-shape.ts';

const word = fc.oneof(
  fc.constantFrom(0, 1, 0xffff_ffff, 0x8000_0000),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
);
const hash = fc.tuple(word, word).map(([high, low]) => Hash64.of(high, low));
const pair = fc.tuple(hash, hash);
const pairs = fc.array(pair, { maxLength: 60 });

function treeOf(from: readonly (readonly [Hash64, Hash64])[]): TictacTree {
  const tree = new TictacTree();
  for (const [key, version] of from) tree.add(key, version);
  return tree;
}

const bigOf = ({ high, low }: Readonly<Hash64>): bigint => (BigInt(high) << 32n) | BigInt(low);

test('T1, law: the leaves are the sums modulo 2^64 of the hashes of their pairs, the branches those of their leaves', () => {
  fc.assert(
    fc.property(pairs, (set) => {
      const tree = treeOf(set);
      const leaves = new Array<bigint>(segmentCount).fill(0n);
      for (const [key, version] of set) {
        leaves[segmentOf(key)] += bigOf(new Hash64().ofPair(key, version));
      }
      let total = 0n;
      for (let branch = 0; branch < branchCount; branch += 1) {
        let sum = 0n;
        const level = tree.leavesOf(branch);
        for (let leaf = 0; leaf < leavesPerBranch; leaf += 1) {
          const expected = BigInt.asUintN(64, leaves[branch * leavesPerBranch + leaf]!);
          assert.equal(bigOf(Hash64.of(level[2 * leaf]!, level[2 * leaf + 1]!)), expected);
          sum += expected;
        }
        const { top } = tree;
        assert.equal(bigOf(Hash64.of(top[2 * branch]!, top[2 * branch + 1]!)), BigInt.asUintN(64, sum));
        total += sum;
      }
      assert.equal(bigOf(tree.root), BigInt.asUintN(64, total));
      assert.equal(tree.entries, set.length);
    }),
  );
});

test('T1, law: equal sets make equal trees, in whatever order pairs came and others came and went', () => {
  fc.assert(
    fc.property(
      pairs,
      pairs,
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      (kept, gone, order) => {
        const changes = [
          ...kept.map(([key, version]) => ({ key, version, isAdded: true })),
          ...gone.map(([key, version]) => ({ key, version, isAdded: true })),
          ...gone.map(([key, version]) => ({ key, version, isAdded: false })),
        ].map((change) => ({ change, place: order.next().value! }));
        changes.sort((a, b) => a.place - b.place);
        const tree = new TictacTree();
        for (const { change } of changes) {
          if (change.isAdded) tree.add(change.key, change.version);
          else tree.remove(change.key, change.version);
        }
        const expected = treeOf(kept);
        assert.ok(tree.equals(expected));
        assert.deepEqual(tree.root, expected.root);
        assert.equal(tree.entries, kept.length);
        assert.deepEqual(encodeTree(tree), encodeTree(expected));
      },
    ),
  );
});

test('T1, law: to replace is to remove and to add', () => {
  fc.assert(
    fc.property(pairs, hash, hash, hash, (others, key, before, after) => {
      const tree = treeOf([...others, [key, before]]);
      tree.replace(key, before, after);
      const expected = treeOf([...others, [key, after]]);
      assert.deepEqual(encodeTree(tree), encodeTree(expected));
      assert.equal(tree.entries, expected.entries);
    }),
  );
});

test('T2: keys that swap their versions, a version twice, and a pair twice all show', () => {
  const [a, b] = [Hash64.of(1, 7), Hash64.of(2, 7)];
  const [one, two] = [Hash64.of(0, 1), Hash64.of(0, 2)];
  const straight = treeOf([
    [a, one],
    [b, two],
  ]);
  assert.ok(
    !straight.equals(
      treeOf([
        [a, two],
        [b, one],
      ]),
    ),
  );
  assert.ok(
    !straight.equals(
      treeOf([
        [a, one],
        [b, one],
      ]),
    ),
  );
  assert.ok(
    !treeOf([
      [a, one],
      [a, one],
    ]).isEmpty,
  );
  assert.ok(
    !treeOf([
      [a, one],
      [a, one],
    ]).equals(treeOf([[a, one]])),
  );
});

test('T2, law: trees are equal only if the sets are', () => {
  const small = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 2 })), {
    selector: ([key]) => key,
    maxLength: 8,
  });
  const toPairs = (set: readonly (readonly [number, number])[]) =>
    set.map(([key, version]) => [Hash64.of(key, key % 3), Hash64.of(0, version)] as const);
  fc.assert(
    fc.property(small, small, (left, right) => {
      const text = (set: readonly (readonly [number, number])[]) => set.map(String).sort().join(' ');
      assert.equal(treeOf(toPairs(left)).equals(treeOf(toPairs(right))), text(left) === text(right));
    }),
  );
});

test('hashes of names spread over all segments and do not meet', () => {
  const seen = new Set<string>();
  const loads = new Uint32Array(segmentCount);
  const count = 20 * segmentCount;
  for (let i = 0; i < count; i += 1) {
    const bytes = Buffer.from(`user/${i}`);
    const { high, low } = new Hash64().ofBytes(bytes, 0, bytes.length);
    seen.add(`${high} ${low}`);
    loads[segmentOf(Hash64.of(high, low))] += 1;
  }
  assert.equal(seen.size, count);
  // Poisson with a mean of 20: beyond 60 or below 1 has odds of one in millions.
  assert.ok(
    Math.max(...loads) < 60 && Math.min(...loads) >= 1,
    `${Math.min(...loads)} to ${Math.max(...loads)}`,
  );
});

test('law: the hash of bytes is that of the range alone, and changes with each byte and with the length', () => {
  const some = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(some, some, fc.nat(), fc.integer({ min: 1, max: 255 }), (before, bytes, place, change) => {
      const whole = new Hash64().ofBytes(bytes, 0, bytes.length);
      const inside = Buffer.concat([before, bytes, before]);
      assert.deepEqual(new Hash64().ofBytes(inside, before.length, before.length + bytes.length), whole);
      const altered = Uint8Array.from(bytes);
      altered[place % bytes.length] ^= change;
      assert.notDeepEqual(new Hash64().ofBytes(altered, 0, bytes.length), whole);
      assert.notDeepEqual(
        new Hash64().ofBytes(Buffer.concat([bytes, Buffer.alloc(1)]), 0, bytes.length + 1),
        whole,
      );
      assert.notDeepEqual(new Hash64().ofBytes(bytes, 0, bytes.length - 1), whole);
    }),
  );
});

test('the hash of a name is the same in every version, since trees of two versions are compared', () => {
  const bytes = Buffer.from('hale');
  assert.deepEqual(new Hash64().ofBytes(bytes, 0, 4), Hash64.of(153789364, 2457587748));
  assert.deepEqual(new Hash64().ofPair(Hash64.of(1, 2), Hash64.of(3, 4)), Hash64.of(3319526791, 481554094));
});

test('law: a tree survives its encoding, and bytes that are not a tree are refused', () => {
  fc.assert(
    fc.property(pairs, fc.nat(), (set, cut) => {
      const tree = treeOf(set);
      const bytes = encodeTree(tree);
      const read = decodeTree(bytes)!;
      assert.ok(read.equals(tree));
      assert.equal(read.entries, tree.entries);
      assert.deepEqual(read.root, tree.root);
      assert.deepEqual(encodeTree(read), bytes);
      assert.equal(decodeTree(bytes.subarray(0, cut % bytes.length)), undefined);
      assert.equal(decodeTree(Buffer.concat([bytes, Buffer.from([0])])), undefined);
    }),
  );
  assert.equal(
    decodeTree(Buffer.concat([Buffer.from([2]), encodeTree(new TictacTree()).subarray(1)])),
    undefined,
  );
});

test('a tree that holds nothing takes 13 bytes, also after things came and went', () => {
  const tree = treeOf([[Hash64.of(1, 1), Hash64.of(1, 1)]]);
  tree.remove(Hash64.of(1, 1), Hash64.of(1, 1));
  assert.ok(tree.isEmpty);
  assert.equal(encodeTree(tree).length, 13);
});
