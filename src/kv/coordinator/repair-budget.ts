/** A token bucket: read repairs that are over the rate, or come when there is too much to do, are left to the next read or to anti-entropy. */
import type { Clock, Instant } from '../../environment/index.ts';

export class RepairBudget {
  readonly #clock: Clock;
  readonly #perSecondMax: number;
  readonly #mayNot: () => boolean;
  #tokens: number;
  #filledAt: Instant;

  constructor(clock: Clock, perSecondMax: number, mayNot: () => boolean = () => false) {
    this.#clock = clock;
    this.#perSecondMax = perSecondMax;
    this.#mayNot = mayNot;
    this.#tokens = perSecondMax;
    this.#filledAt = clock.now();
  }

  take(): boolean {
    if (this.#mayNot()) return false;
    const now = this.#clock.now();
    const earned = ((now - this.#filledAt) / 1000) * this.#perSecondMax;
    this.#tokens = Math.min(this.#perSecondMax, this.#tokens + earned);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
