import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uniqueText } from './unique-text.ts';

test('names have the length asked for, base-62 letters only, and use every letter', () => {
  let state = 12345;
  const random = {
    u32: () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0),
    fraction: () => 0,
    bytes: () => Buffer.alloc(0),
  };
  const letters = new Set<string>();
  for (let run = 0; run < 500; run += 1) {
    const text = uniqueText(random, 22);
    assert.match(text, /^[0-9A-Za-z]{22}$/);
    for (const letter of text) letters.add(letter);
  }
  assert.equal(letters.size, 62);
});
