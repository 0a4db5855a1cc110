/**
 * What requests of a kind take while nothing goes on behind them, and whether they take longer now.
 *
 * A machine's own figure cannot be configured: a put takes one millisecond here and twenty there. It is learned while there
 * is no background work; and, slowly, while that goes at its least rate, so that a load which grew meanwhile becomes usual.
 */

/** Less than so many say little. */
const countMin = 8;
const learnedShare = { none: 1 / 8, least: 1 / 128 } as const;
/** Slow is what takes half as long again, and a millisecond: of times far below one nobody speaks. */
const slowFactor = 1.5;
const slowMs = 1;

/** Requests that have ended. */
export interface RequestTimes {
  readonly count: number;
  readonly totalMs: number;
  /** Of them, those that took longer than was asked for (`UsualTail.slowFromMs`). */
  readonly slow: number;
}

/** Background work while they were under way. */
export type Disturbance = 'none' | 'least' | 'some';

export class UsualTime {
  #usualMs: number | undefined;
  #count = 0;
  #totalMs = 0;

  /** Undefined: not known yet. */
  get usualMs(): number | undefined {
    return this.#usualMs;
  }

  /** Adds what has ended lately. True: that took longer than usual. Few requests are judged when there are more. */
  add({ count, totalMs }: Omit<RequestTimes, 'slow'>, disturbance: Disturbance): boolean {
    this.#count += count;
    this.#totalMs += totalMs;
    if (this.#count < countMin) return false;
    const meanMs = this.#totalMs / this.#count;
    this.#count = 0;
    this.#totalMs = 0;
    const usualMs = this.#usualMs;
    if (disturbance !== 'some' && !(usualMs === undefined && disturbance === 'least')) {
      this.#usualMs =
        usualMs === undefined ? meanMs : usualMs + (meanMs - usualMs) * learnedShare[disturbance];
    }
    return usualMs !== undefined && meanMs > usualMs * slowFactor + slowMs;
  }
}
