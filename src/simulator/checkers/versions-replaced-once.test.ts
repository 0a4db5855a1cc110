import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConditionalAttempt, checkReplacedOnce } from './versions-replaced-once.ts';

const attempt = (id: number, over: string, outcome: ConditionalAttempt['outcome'] = 'acked') => ({
  key: 'k',
  id,
  over,
  outcome,
});
const check = (attempts: readonly ConditionalAttempt[], ...ids: number[]) =>
  checkReplacedOnce(attempts, new Map([['k', new Set(ids)]])).map((violation) => violation.slice(0, 3));

test('CW1: a version is replaced once by what is acknowledged', () => {
  assert.deepEqual(check([attempt(1, ''), attempt(2, 'a')], 1, 2), []);
  assert.deepEqual(check([attempt(1, ''), attempt(2, '')], 1, 2), ['CW1']);
  assert.deepEqual(check([attempt(1, 'a'), attempt(2, 'a', 'unknown')], 1, 2), []);
});

test('CW2, CW3: what was acknowledged is there, what was refused is not', () => {
  assert.deepEqual(check([attempt(1, '')]), ['CW2']);
  assert.deepEqual(check([attempt(1, '', 'refused')], 1), ['CW3']);
  assert.deepEqual(check([attempt(1, '', 'refused'), attempt(2, '', 'unknown')]), []);
});
