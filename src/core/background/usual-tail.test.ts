import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../simulator/index.ts';
import { UsualTail } from './usual-tail.ts';
import { type Disturbance, UsualTime } from './usual-time.ts';

const meanMs = 10;

/** Requests that end in an interval: exponential times, and some that wait for something else as well. */
class Requests {
  readonly #random = new Prng(1);
  waitShare = 0;
  waitMs = 0;

  /** Feeds both; tells what each says. */
  interval(count: number, disturbance: Disturbance, tail: UsualTail, mean = new UsualTime()) {
    let totalMs = 0;
    let slow = 0;
    for (let i = 0; i < count; i += 1) {
      const waits = this.#random.chance(this.waitShare);
      const tookMs = this.#random.exponential(meanMs) + (waits ? this.waitMs : 0);
      totalMs += tookMs;
      if (tookMs > tail.slowFromMs) slow += 1;
    }
    const times = { count, totalMs, slow };
    return { isTailSlow: tail.add(times, disturbance), isMeanSlow: mean.add(times, disturbance) };
  }
}

/** What a share of exponential times exceeds. */
const exceededBy = (share: number): number => -Math.log(share) * meanMs;

for (const [count, intervals] of [
  [10, 6000],
  [500, 200],
  [20_000, 60],
] as const) {
  test(`it finds what a hundredth of ${count} requests an interval exceeds`, () => {
    const tail = new UsualTail();
    const requests = new Requests();
    for (let i = 0; i < intervals; i += 1) requests.interval(count, 'none', tail);
    const learned = tail.usualMs!;
    const [least, most] = [exceededBy(0.03), exceededBy(0.003)];
    assert.ok(learned > least && learned < most, `${learned} ms, of ${least} to ${most}`);
  });
}

test('it notices what the mean does not, and takes nothing else for it', () => {
  const tail = new UsualTail();
  const mean = new UsualTime();
  const requests = new Requests();
  for (let i = 0; i < 200; i += 1) requests.interval(500, 'none', tail, mean);
  let alarms = 0;
  requests.interval(500, 'some', tail, mean);
  for (let i = 0; i < 200; i += 1) {
    const { isTailSlow } = requests.interval(100, 'some', tail, mean);
    if (isTailSlow) alarms += 1;
  }
  assert.ok(alarms <= 3, `${alarms} false alarms of a hundred judgements`);
  requests.waitShare = 0.03;
  requests.waitMs = 80;
  let noticed = 0;
  let noticedByMean = 0;
  for (let i = 0; i < 200; i += 1) {
    const { isTailSlow, isMeanSlow } = requests.interval(100, 'some', tail, mean);
    if (isTailSlow) noticed += 1;
    if (isMeanSlow) noticedByMean += 1;
  }
  assert.ok(noticed >= 80, `noticed ${noticed} times of a hundred`);
  assert.ok(noticedByMean <= 10, `the mean noticed ${noticedByMean} times of two hundred`);
});

test('before anything was learned nothing is slow', () => {
  const tail = new UsualTail();
  assert.equal(tail.slowFromMs, Number.POSITIVE_INFINITY);
  assert.equal(tail.add({ count: 1000, totalMs: 1e6, slow: 0 }, 'some'), false);
  assert.equal(tail.usualMs, undefined);
});

test('a load that grew becomes usual while background work goes at its least', () => {
  const tail = new UsualTail();
  tail.add({ count: 1000, totalMs: 1000, slow: 0 }, 'none');
  const before = tail.usualMs!;
  tail.add({ count: 0, totalMs: 0, slow: 0 }, 'least');
  const judge = (): boolean => tail.add({ count: 200, totalMs: 2000, slow: 20 }, 'least');
  for (let i = 0; i < 50; i += 1) assert.equal(judge(), true);
  assert.ok(tail.usualMs! > 2 * before, `${before} ms became ${tail.usualMs}`);
});
