/** Repairs a second, of all exchanges together: who repairs waits for its turn. */
import type { Clock } from '../../environment/index.ts';

export class RepairPace {
  readonly #clock: Clock;
  readonly #gapMs: number;
  #nextAt = 0;

  constructor(clock: Clock, perSecondMax: number) {
    this.#clock = clock;
    this.#gapMs = 1000 / perSecondMax;
  }

  /** Takes turns for `count` repairs, and says after how many milliseconds the last of them may begin. */
  turns(count: number): number {
    const now = this.#clock.now();
    this.#nextAt = Math.max(this.#nextAt, now) + count * this.#gapMs;
    return this.#nextAt - now;
  }
}
