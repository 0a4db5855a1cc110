/**
 * What the slowest hundredth of the requests of a kind takes while nothing goes on behind them, and whether more of them are
 * slow now. A mean hides them: work that makes one request in fifty wait for a disk hardly moves it.
 *
 * Requests are counted against a limit, and the limit is moved until a hundredth of them is beyond it, as in stochastic
 * approximation (Robbins, Monro 1951): no request is remembered. While there is background work the limit is half as
 * long again, and a millisecond.
 */
import type { Disturbance, RequestTimes } from './usual-time.ts';

const tailShare = 0.01;
const slowFactor = 1.5;
const slowMs = 1;
/** Of the logarithm, for each standard deviation that a count is off. */
const stepShare = 0.05;
const fallMax = 0.1;
const riseMax = 0.7;
/** Before anything is known: of the mean. */
const firstFactor = 4;
/** So many are judged together: fewer have hardly one slow one that means anything. */
const countMin = 200;
/** What stays slow while background work goes at its least rate becomes usual, by this share a judgement. */
const yieldShare = 0.02;

export class UsualTail {
  #usualMs: number | undefined;
  /** What the requests that end now are counted against: their usual tail, or what is slow. */
  #limit: 'usual' | 'slow' = 'usual';
  #count = 0;
  #slow = 0;

  /** A hundredth takes longer. Undefined: not known yet. */
  get usualMs(): number | undefined {
    return this.#usualMs;
  }

  /** Who takes longer is to be counted as slow from now on. */
  get slowFromMs(): number {
    const usualMs = this.#usualMs;
    if (usualMs === undefined) return Number.POSITIVE_INFINITY;
    return this.#limit === 'usual' ? usualMs : usualMs * slowFactor + slowMs;
  }

  /** Adds what has ended lately, counted against `slowFromMs`. True: too many were slow. Moves `slowFromMs`. */
  add(times: RequestTimes, disturbance: Disturbance): boolean {
    const isSlow = this.#limit === 'slow' && disturbance !== 'none' && this.#judge(times, disturbance);
    if (disturbance === 'none') {
      if (this.#limit === 'usual') this.#learn(times);
      this.#forget();
    }
    this.#limit = disturbance === 'none' ? 'usual' : 'slow';
    return isSlow;
  }

  #learn({ count, totalMs, slow }: RequestTimes): void {
    if (count === 0) return;
    if (this.#usualMs === undefined) {
      this.#usualMs = (firstFactor * totalMs) / count;
      return;
    }
    const expected = tailShare * count;
    const step = (stepShare * (slow - expected)) / Math.sqrt(Math.max(1, expected));
    this.#usualMs *= Math.exp(Math.max(-fallMax, Math.min(riseMax, step)));
  }

  #judge({ count, slow }: RequestTimes, disturbance: Disturbance): boolean {
    if (this.#usualMs === undefined) return false;
    this.#count += count;
    this.#slow += slow;
    if (this.#count < countMin) return false;
    const expected = tailShare * this.#count;
    const isSlow = this.#slow > expected + Math.sqrt(expected);
    this.#forget();
    if (isSlow && disturbance === 'least') this.#usualMs *= 1 + yieldShare;
    return isSlow;
  }

  #forget(): void {
    this.#count = 0;
    this.#slow = 0;
  }
}
