import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cachedDataVersionTag } from 'node:v8';
import { growthOf, setHeapGrowth } from './heap-growth.ts';

test('V8 takes the growth, and 0 leaves its flags as they are', () => {
  const before = cachedDataVersionTag();
  setHeapGrowth(0);
  assert.equal(cachedDataVersionTag(), before);
  setHeapGrowth(400);
  const after = cachedDataVersionTag();
  assert.notEqual(after, before, 'what is compiled under other flags has another tag');
  setHeapGrowth(400);
  assert.equal(cachedDataVersionTag(), after);
});

test('a large heap grows as V8 thinks right', () => {
  assert.deepEqual(
    [15, 64, 65, 500].map((mebibytes) => growthOf(400, mebibytes * 2 ** 20)),
    [400, 400, 0, 0],
  );
});
