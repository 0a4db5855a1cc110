/** A token bucket: read repairs that are over the rate are left to the next read or to anti-entropy. */
import type { Clock, Instant } from '../../environment/index.ts';

export class RepairBudget {
  readonly #clock: Clock;
  readonly #perSecondMax: number;
  #tokens: number;
  #filledAt: Instant;

  constructor(clock: Clock, perSecondMax: number) {
    this.#clock = clock;
    this.#perSecondMax = perSecondMax;
    this.#tokens = perSecondMax;
    this.#filledAt = clock.now();
  }

  take(): boolean {
    const now = this.#clock.now();
    const earned = ((now - this.#filledAt) / 1000) * this.#perSecondMax;
    this.#tokens = Math.min(this.#perSecondMax, this.#tokens + earned);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
