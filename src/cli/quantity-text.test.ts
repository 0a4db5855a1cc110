import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesText, countText, progressBar, spanText } from './quantity-text.ts';

test('bytes in the largest unit of which there is one', () => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 kB'],
    [1536 * 1024, '1.5 MB'],
    [3 * 1024 ** 4, '3.0 TB'],
    [1024 ** 6, '1024.0 PB'],
  ] as const) {
    assert.equal(bytesText(bytes), text);
  }
});

test('spans in their two largest units', () => {
  assert.deepEqual([0.4, 59, 3600, 90_061].map(spanText), ['0s', '59s', '1h 0m', '1d 1h']);
});

test('a bar is full when all is done, and never before', () => {
  assert.equal(progressBar(0, 10), '[                    ]   0%');
  assert.equal(progressBar(5, 10), '[##########          ]  50%');
  assert.equal(progressBar(999, 1000), '[################### ]  99%');
  assert.equal(progressBar(12, 10), '[####################] 100%');
  assert.equal(progressBar(0, 0), '[####################] 100%');
});

test('one is singular', () => {
  assert.deepEqual([countText(1, 'move'), countText(0, 'move')], ['1 move', '0 moves']);
});
