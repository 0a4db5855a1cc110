import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usualCacheBytes } from './usual-cache-bytes.ts';

const megabyte = 2 ** 20;

test('the cache of values is a thirty-second of the memory, of 32 to 512 MiB', () => {
  assert.equal(usualCacheBytes(undefined), 32 * megabyte);
  assert.equal(usualCacheBytes(512 * megabyte), 32 * megabyte);
  assert.equal(usualCacheBytes(4096 * megabyte), 128 * megabyte);
  assert.equal(usualCacheBytes(2 ** 40), 512 * megabyte);
});
