import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeyDifferences } from './key-differences.ts';
import type { ListedKey, ListingSlice } from './segment-listing.ts';

const side = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 2 })), {
  selector: ([key]) => key,
});
type Side = readonly (readonly [number, number])[];

/** Slices of at most `size`, whose ends may lie beyond their last key. */
function sliced(pairs: Side, size: number, scannedBeyond: number) {
  const sorted = pairs.toSorted((a, b) => a[0] - b[0]);
  return async (after: Buffer | undefined): Promise<ListingSlice> => {
    const left = sorted.filter(([key]) => after === undefined || key > after[0]!);
    const slice = left.slice(0, size);
    const pairsOf: ListedKey[] = slice.map(([key, version]) => ({
      key: Buffer.from([key]),
      digest: Buffer.alloc(8, version),
    }));
    if (left.length <= size) return { pairs: pairsOf, upTo: undefined };
    const end = Math.min(slice.at(-1)![0] + scannedBeyond, left[size]![0] - 1);
    return { pairs: pairsOf, upTo: Buffer.from([Math.max(end, slice.at(-1)![0])]) };
  };
}

test('X2, law: the differences of two listings are found once each and in order, however they are sliced', async () => {
  const size = fc.integer({ min: 1, max: 5 });
  await fc.assert(
    fc.asyncProperty(side, side, size, size, size, fc.nat(3), async (mine, theirs, a, b, count, beyond) => {
      const differences = new KeyDifferences(sliced(mine, a, beyond), sliced(theirs, b, beyond));
      const found: number[] = [];
      for (;;) {
        const keys = await differences.next(count);
        assert.ok(keys.length <= count);
        if (keys.length === 0) break;
        found.push(...keys.map((key) => key[0]!));
      }
      const [left, right] = [new Map(mine), new Map(theirs)];
      const all = [...new Set([...left.keys(), ...right.keys()])].sort((x, y) => x - y);
      assert.deepEqual(
        found,
        all.filter((key) => left.get(key) !== right.get(key)),
      );
      assert.equal(differences.takeListed(), mine.length + theirs.length);
    }),
  );
});

test('a listing that does not get on ends, and is not asked for without end', async () => {
  let asked = 0;
  const stuck = async (): Promise<ListingSlice> => {
    asked += 1;
    return { pairs: [], upTo: Buffer.from([7]) };
  };
  const none = async (): Promise<ListingSlice> => ({ pairs: [], upTo: undefined });
  assert.deepEqual(await new KeyDifferences(none, stuck).next(10), []);
  assert.ok(asked <= 2);
});
