import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { hashOfKey } from './key-hash.ts';

const slots = 1024;
const keysOfSlot = 8;

for (const [what, keyOf] of [
  ['numbers', (n: number) => Buffer.from(`${n}`)],
  ['numbers with zeros before them', (n: number) => Buffer.from(`key ${String(n).padStart(12, '0')}`)],
  ['first bytes', (n: number) => Buffer.concat([Buffer.of(n, n >> 8), Buffer.alloc(31)])],
  ['high bytes of a word', (n: number) => Buffer.concat([Buffer.alloc(6), Buffer.of(n, n >> 8)])],
] as const) {
  test(`keys that differ in ${what} spread over a table, by the low bits of their hash`, () => {
    const counts = new Array<number>(slots).fill(0);
    for (let n = 0; n < slots * keysOfSlot; n += 1) counts[hashOfKey(keyOf(n)) & (slots - 1)]! += 1;
    const squares = counts.reduce((sum, count) => sum + (count - keysOfSlot) ** 2 / keysOfSlot, 0);
    // By chance it is 1,023, give or take 45.
    assert.ok(squares < 1500, `${squares}`);
  });
}
