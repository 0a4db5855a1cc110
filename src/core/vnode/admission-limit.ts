/**
 * How many requests of a kind may be under way, by how long they take.
 *
 * What is under way waits in some queue: of the disk, of a peer, of this node. With more under way than the slowest
 * of these needs to be busy, nothing goes faster and all take longer. The fastest request of an interval tells how
 * long the queue is that all of them stood in (as the least delay does in CoDel; Nichols, Jacobson 2012); by Little's
 * law the rate is what was under way divided by it, and the limit becomes rate × `delayMs`. While it is not too
 * long the limit grows again, by a fixed share each interval.
 *
 * L1. `countMin` ≤ the limit ≤ `countMax`.
 * L2. Where nothing ends for a few delays, nothing beyond `countMin` is taken: a disk or peer that stalls gathers no
 *     queue. The first that ends lifts this.
 * L3. After a cut none is made for as long as those took that caused it: the queue before it drains first.
 * L4. With no more than `countMin` under way none is made: who is slow then is slow by nature.
 */
import type { Instant } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';

const intervalMs = 100;
/** From the least limit to ten thousand times as much in five seconds: 1.21^50. */
const growth = 1.21;
const cutMin = 0.25;
const strainedShare = 0.5;
/** A stall is as many delays in which nothing ended; a disk that flushes may be silent for one. */
const stallFactor = 4;
/** Intervals without a request that count as growth at once: more than it takes to reach any limit. */
const idleIntervalsMax = 200;

export interface AdmissionLimitOptions {
  readonly countMin: number;
  readonly countMax: number;
  /** Requests should not take longer for want of a place in some queue. */
  readonly delayMs: number;
}

export class AdmissionLimit {
  readonly #options: AdmissionLimitOptions;
  #limit: number;
  #underWay = 0;
  /** Of the present interval. */
  #peak = 0;
  #fastestMs = Infinity;
  #judgedAt: Instant;
  #judgeAt: Instant;
  /** When something ended last, or began with nothing under way. */
  #movedAt: Instant;

  constructor(options: AdmissionLimitOptions, now: Instant) {
    assert(options.countMin <= options.countMax, 'the least limit is not the greater');
    this.#options = options;
    this.#limit = options.countMax;
    this.#judgedAt = now;
    this.#judgeAt = (now + intervalMs) as Instant;
    this.#movedAt = now;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** How many may be under way at present. */
  get count(): number {
    return Math.floor(this.#limit);
  }

  /** So much is under way that none or few more will be taken. */
  isStrained(now: Instant): boolean {
    return this.isFull(now, strainedShare);
  }

  /** `share` of 1.25: for who may have a quarter more. */
  isFull(now: Instant, share: number): boolean {
    this.#judge(now);
    const count = this.#isStalled(now) ? Math.min(this.#limit, this.#options.countMin) : this.#limit;
    return this.#underWay >= count * share;
  }

  entered(now: Instant): void {
    if (this.#underWay === 0) this.#movedAt = now;
    this.#underWay += 1;
    this.#peak = Math.max(this.#peak, this.#underWay);
  }

  /** `tookMs`: undefined if the time says nothing of any queue, as that of a refusal or a timeout. */
  left(tookMs: number | undefined, now: Instant): void {
    assert(this.#underWay > 0, 'what leaves has entered');
    this.#underWay -= 1;
    this.#movedAt = now;
    if (tookMs !== undefined) this.#fastestMs = Math.min(this.#fastestMs, tookMs);
    this.#judge(now);
  }

  #isStalled(now: Instant): boolean {
    return this.#underWay > 0 && now - this.#movedAt > this.#options.delayMs * stallFactor;
  }

  #judge(now: Instant): void {
    if (now < this.#judgeAt) return;
    const { countMin, countMax, delayMs } = this.#options;
    const fastestMs = this.#fastestMs;
    let pauseMs = intervalMs;
    if (fastestMs === Infinity && this.#underWay > 0) {
      // Nothing ended: nothing is known.
    } else if (fastestMs !== Infinity && fastestMs > delayMs) {
      if (this.#peak > countMin) {
        const cut = Math.max(cutMin, delayMs / fastestMs);
        this.#limit = Math.max(countMin, Math.min(this.#limit, this.#peak) * cut);
        pauseMs = Math.max(intervalMs, fastestMs);
      }
    } else {
      const intervals = Math.min(idleIntervalsMax, Math.floor((now - this.#judgedAt) / intervalMs));
      this.#limit = Math.min(countMax, this.#limit * growth ** intervals);
    }
    this.#fastestMs = Infinity;
    this.#peak = this.#underWay;
    this.#judgedAt = now;
    this.#judgeAt = (now + pauseMs) as Instant;
  }
}
