import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { BatchIndex } from './batch-index.ts';
import { hashOfKey } from './key-hash.ts';

test('the place of a key is the last at which it was added, and no other key is found', () => {
  const index = new BatchIndex();
  const law = fc.property(fc.array(fc.nat(400), { maxLength: 3000, size: 'max' }), (numbers) => {
    const keys: Buffer[] = [];
    const places = new Map<number, number>();
    index.reset(keys);
    for (const number of numbers) {
      places.set(number, keys.length);
      keys.push(Buffer.from(`key ${number}`));
      index.add(keys.length - 1);
    }
    for (let number = 0; number <= 401; number += 1) {
      assert.equal(index.find(Buffer.from(`key ${number}`)), places.get(number) ?? -1);
    }
  });
  fc.assert(law, { numRuns: 60 });
});

test('keys that lie together are found all the same, in whatever order they are written again', () => {
  const keys: Buffer[] = [];
  for (let n = 0; keys.length < 80; n += 1) {
    const key = Buffer.from(`${n}`);
    if ((hashOfKey(key) & 1023) < 2) keys.push(key);
  }
  const written = [...keys, ...keys.toReversed()];
  const index = new BatchIndex();
  index.reset(written);
  for (let place = 0; place < written.length; place += 1) index.add(place);
  for (const [n, key] of keys.entries()) assert.equal(index.find(key), written.length - 1 - n);
  assert.equal(index.find(Buffer.from('another')), -1);
});

test('keys that lay together are found in the larger table, where they do not', () => {
  const together: Buffer[] = [];
  const others: Buffer[] = [];
  for (let n = 0; together.length < 24 || others.length < 200; n += 1) {
    const key = Buffer.from(`${n}`);
    if ((hashOfKey(key) & 63) === 5) together.push(key);
    else others.push(key);
  }
  const written = [...together, ...others];
  const index = new BatchIndex();
  index.reset(written);
  for (let place = 0; place < written.length; place += 1) {
    index.add(place);
    for (let added = 0; added <= place; added += 1) assert.equal(index.find(written[added]!), added);
  }
});

test('what was reset is forgotten', () => {
  const key = Buffer.from('key');
  const index = new BatchIndex();
  index.reset([key]);
  index.add(0);
  assert.equal(index.find(key), 0);
  index.reset([]);
  assert.equal(index.find(key), -1);
});
