/**
 * How fast a node does what nobody waits for: handing partitions over, taking them in, reading them for hash trees.
 *
 * Nobody can say beforehand what a machine has left beside its requests. So the rate is found by what it does to them, as
 * that of TCP is (Chiu, Jain 1989: additive increase, multiplicative decrease), and as LEDBAT (RFC 6817) it gives way to
 * delay, long before anything is lost.
 *
 * B1  The rate is never below `bytesPerSecondMin`: what has begun ends, however busy the node is.
 * B2  An interval in which requests were delayed halves it, once.
 * B3  It grows by a step in an interval that was calm and used it, and in no other.
 * B4  Time that nobody used is not saved up.
 */
import type { Instant } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';

export interface BackgroundRateOptions {
  readonly bytesPerSecondMin: number;
  readonly bytesPerSecondMax: number;
  /** Added for an interval. */
  readonly stepBytesPerSecond: number;
}

/** An interval used its rate if it took this share of it. */
const usedShare = 0.5;
const cutFactor = 0.5;

export class BackgroundRate {
  readonly #options: BackgroundRateOptions;
  #bytesPerSecond: number;
  /** When everything taken so far is paid for. */
  #paidAt: number | undefined;
  #judgedAt: Instant;
  #taken = 0;
  #cuts = 0;

  constructor(options: BackgroundRateOptions, now: Instant) {
    assert(options.bytesPerSecondMin > 0, 'some rate is always left');
    assert(options.bytesPerSecondMin <= options.bytesPerSecondMax, 'the least rate is not the greater');
    this.#options = options;
    this.#bytesPerSecond = options.bytesPerSecondMin;
    this.#judgedAt = now;
  }

  get bytesPerSecond(): number {
    return this.#bytesPerSecond;
  }

  /** How often it was halved. */
  get cuts(): number {
    return this.#cuts;
  }

  /** At its least, it does as little to others as it ever will. */
  get isLeast(): boolean {
    return this.#bytesPerSecond === this.#options.bytesPerSecondMin;
  }

  /** Milliseconds until the next slice may begin. */
  waitMs(now: Instant): number {
    return Math.max(0, (this.#paidAt ?? now) - now);
  }

  take(bytes: number, now: Instant): void {
    this.#taken += bytes;
    this.#paidAt = Math.max(this.#paidAt ?? now, now) + (bytes * 1000) / this.#bytesPerSecond;
  }

  /** Ends an interval. */
  judge(isDelayed: boolean, now: Instant): void {
    const { bytesPerSecondMin, bytesPerSecondMax, stepBytesPerSecond } = this.#options;
    const affordable = (this.#bytesPerSecond * (now - this.#judgedAt)) / 1000;
    if (isDelayed) {
      this.#cuts += 1;
      this.#bytesPerSecond = Math.max(bytesPerSecondMin, this.#bytesPerSecond * cutFactor);
    } else if (this.#taken > 0 && this.#taken >= affordable * usedShare) {
      this.#bytesPerSecond = Math.min(bytesPerSecondMax, this.#bytesPerSecond + stepBytesPerSecond);
    }
    this.#taken = 0;
    this.#judgedAt = now;
  }
}
