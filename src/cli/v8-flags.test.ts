import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cachedDataVersionTag } from 'node:v8';
import { V8Flags } from './v8-flags.ts';

test('work is done under the flags of an earlier moment, whatever V8 was told since, and nothing is forgotten', () => {
  const usual = cachedDataVersionTag();
  const flags = new V8Flags();
  flags.set({ 'heap-growing-percent': '400' });
  const then = cachedDataVersionTag();
  assert.notEqual(then, usual, 'code that is kept under other flags has another tag');
  let meanwhile: number | undefined;
  const look = flags.nowFor(() => (meanwhile = cachedDataVersionTag()));
  const failure = new Error('nothing can be written');
  const fail = flags.nowFor(() => {
    throw failure;
  });
  flags.reset('heap-growing-percent');
  flags.set({ 'turbo-filter': '~' });
  const now = cachedDataVersionTag();
  look();
  assert.equal(meanwhile, then);
  assert.equal(cachedDataVersionTag(), now);
  assert.throws(fail, failure);
  assert.equal(cachedDataVersionTag(), now);
  flags.reset('turbo-filter');
  assert.equal(cachedDataVersionTag(), usual);
});
