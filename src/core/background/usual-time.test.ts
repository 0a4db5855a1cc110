import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsualTime } from './usual-time.ts';

const of = (meanMs: number, count = 20) => ({ count, totalMs: meanMs * count });

test('slow is half as long again as usual, and a millisecond', () => {
  const time = new UsualTime();
  assert.equal(time.add(of(10), 'none'), false, 'nothing is known yet');
  assert.equal(time.add(of(15.9), 'some'), false);
  assert.equal(time.add(of(16.1), 'some'), true);
  assert.equal(time.usualMs, 10, 'what background work does to requests does not become usual');
});

test('it is learned while there is no background work, and slowly while that goes at its least', () => {
  const time = new UsualTime();
  time.add(of(10), 'least');
  assert.equal(time.usualMs, undefined, 'whoever begins with background work knows nothing');
  time.add(of(10), 'none');
  for (let i = 0; i < 100; i += 1) time.add(of(20), 'some');
  assert.equal(time.usualMs, 10);
  time.add(of(20), 'least');
  assert.ok(time.usualMs! > 10 && time.usualMs! < 10.2);
  for (let i = 0; i < 600; i += 1) time.add(of(20), 'least');
  assert.ok(time.usualMs! > 19, 'a load that grew has become usual');
  for (let i = 0; i < 40; i += 1) time.add(of(5), 'none');
  assert.ok(time.usualMs! < 5.2);
});

test('a few requests are judged together with those that come later', () => {
  const time = new UsualTime();
  time.add(of(1), 'none');
  assert.equal(time.add({ count: 1, totalMs: 100 }, 'some'), false);
  assert.equal(time.add({ count: 6, totalMs: 6 }, 'some'), false);
  assert.equal(time.add({ count: 1, totalMs: 1 }, 'some'), true, '107 ms for eight');
  assert.equal(time.add({ count: 8, totalMs: 8 }, 'some'), false, 'each request is judged once');
});
