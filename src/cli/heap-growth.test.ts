import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cachedDataVersionTag } from 'node:v8';
import { setHeapGrowth } from './heap-growth.ts';

test('V8 takes the growth, and 0 leaves its flags as they are', () => {
  const before = cachedDataVersionTag();
  setHeapGrowth(0);
  assert.equal(cachedDataVersionTag(), before);
  setHeapGrowth(200);
  const after = cachedDataVersionTag();
  assert.notEqual(after, before, 'what is compiled under other flags has another tag');
  setHeapGrowth(200);
  assert.equal(cachedDataVersionTag(), after);
});
