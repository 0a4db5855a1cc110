/**
 * How long requests wait for the event loop.
 *
 * A node is one thread: what it reads in one turn of the loop waits for all that was read before it, and so does the
 * next heartbeat. A long turn is a queue. A burst may make one, and is worked off; what may not be is a queue that
 * stands. As with CoDel (Nichols, Jacobson 2012) the sign of that is that the delay has not once been short for a
 * while, and as in Maurer's "Fail at Scale" (ACM Queue 13:8, §"Controlled Delay") the answer is a shorter patience:
 * the turn takes requests for `delayMs`, and refuses the rest, which costs next to nothing.
 */
import type { Instant } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';

/** A queue stands when no turn was short for so many delays; a single turn may take as long while none does. */
const burstFactor = 4;
/** A loop that had nothing to do for a tenth of the delay has no queue. */
const restFactor = 0.1;

export class AdmissionTurn {
  readonly #delayMs: number;
  #startedAt: Instant | undefined;
  #endedAt: Instant;
  #calmAt: Instant;

  constructor(delayMs: number, now: Instant) {
    assert(delayMs > 0, 'a delay is some time');
    this.#delayMs = delayMs;
    this.#endedAt = now;
    this.#calmAt = now;
  }

  /** Something happens. True: it is the first of its turn, whose `ended` is due. */
  began(now: Instant): boolean {
    if (this.#startedAt !== undefined) return false;
    if (now - this.#endedAt >= this.#delayMs * restFactor) this.#calmAt = now;
    this.#startedAt = now;
    return true;
  }

  ended(now: Instant): void {
    assert(this.#startedAt !== undefined, 'a turn that ends has begun');
    if (now - this.#startedAt <= this.#delayMs) this.#calmAt = now;
    this.#startedAt = undefined;
    this.#endedAt = now;
  }

  /** No turn was short for a while. */
  isLong(now: Instant): boolean {
    return now - this.#calmAt > this.#delayMs * burstFactor;
  }

  /** The turn has lasted as long as it may; `patience` of 2: twice as long. */
  isSpent(now: Instant, patience: number): boolean {
    if (this.#startedAt === undefined) return false;
    const factor = this.isLong(now) ? 1 : burstFactor;
    return now - this.#startedAt > this.#delayMs * factor * patience;
  }
}
