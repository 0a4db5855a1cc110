/**
 * How many requests of a kind may be under way, by how long they take.
 *
 * What is under way waits in some queue: of the disk, of a peer, of this node. With more under way than the slowest
 * of these needs to be busy, nothing goes faster and all take longer. The fastest request of an interval tells how
 * long the queue is that all of them stood in (as the least delay does in CoDel; Nichols, Jacobson 2012). If that is
 * too long, everything that can be done is being done, so the rate at which requests end is all there is, and by
 * Little's law the limit becomes rate × `delayMs`. Else it grows, up to what a few delays of a rate are: when ten
 * times as much comes from one moment to the next, a queue is there long before the first request tells of it. That rate
 * is the capacity, as far as it is known: it was seen when there was a queue, which may have been a while ago.
 *
 * L1. `countMin` ≤ the limit ≤ `countMax`; a burst of `burstMin` is taken whatever the rate, unless so much is known to
 *     be too much.
 * L2. Where nothing ends for a few delays, nothing beyond `countMin` is taken: a disk or peer that stalls gathers no
 *     queue. The first that ends lifts this.
 * L3. After a cut none is made for as long as those took that caused it: the queue before it drains first.
 * L4. With no more than `countMin` under way none is made: who is slow then is slow by nature. What that takes is
 *     remembered, and only twice as much counts as a queue: a disk that takes longer than `delayMs` for each sync is
 *     kept as busy as one that does not.
 */
import type { Instant } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';

const intervalMs = 100;
/** In an interval. Ten times as much in two and a half seconds. */
const growth = 1.1;
/** The limit is at most what so many delays of the rate are; of the capacity, once that is known. */
const delaysMax = 4;
const delaysKnownMax = 2;
/** Over how many milliseconds a rate is taken: batches end some hundred requests at once, and then none for a while. */
const rateMs = 500;
/** By intervals: what was known of the capacity is a tenth of what is believed half a minute later. */
const capacityGrowth = 1.008;
const strainedShare = 0.5;
/** Of what it takes with few under way: this much more is a queue. */
const naturalFactor = 2;
/** How fast that is forgotten, by intervals with few under way: it becomes less at once. */
const naturalGain = 0.2;
/** A stall is as many delays in which nothing ended; a disk that flushes may be silent for one. */
const stallFactor = 4;
/** Intervals without a request that count as growth at once: more than it takes to reach any limit, and to forget any capacity. */
const idleIntervalsMax = 1000;

export interface AdmissionLimitOptions {
  readonly countMin: number;
  readonly countMax: number;
  readonly burstMin: number;
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
  #ended = 0;
  /** A millisecond, of late. */
  #rate = 0;
  /** A millisecond; undefined: there was no queue yet that would have told. */
  #capacity: number | undefined;
  /** Of the fastest with no more than `countMin` under way. */
  #naturalMs = 0;
  #judgedAt: Instant;
  #judgeAt: Instant;
  /** When something ended last, or began with nothing under way. */
  #movedAt: Instant;

  constructor(options: AdmissionLimitOptions, now: Instant) {
    assert(options.countMin <= options.countMax, 'the least limit is not the greater');
    assert(options.countMin <= options.burstMin, 'a burst is no less than the least');
    this.#options = options;
    this.#limit = Math.min(options.countMax, options.burstMin);
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

  /** Judges nothing: what a batch ends, it ends together. `tookMs`: undefined if the time says nothing of any queue, as that of a refusal or a timeout. */
  left(tookMs: number | undefined, now: Instant): void {
    assert(this.#underWay > 0, 'what leaves has entered');
    this.#underWay -= 1;
    this.#movedAt = now;
    this.#ended += 1;
    if (tookMs !== undefined) this.#fastestMs = Math.min(this.#fastestMs, tookMs);
  }

  #isStalled(now: Instant): boolean {
    return this.#underWay > 0 && now - this.#movedAt > this.#options.delayMs * stallFactor;
  }

  #judge(now: Instant): void {
    if (now < this.#judgeAt) return;
    if (this.#ended === 0 && this.#underWay > 0) {
      // Nothing to judge by: the interval goes on.
      this.#judgeAt = (now + intervalMs) as Instant;
      return;
    }
    const { countMin, countMax, delayMs } = this.#options;
    const fastestMs = this.#fastestMs;
    const elapsedMs = now - this.#judgedAt;
    const intervals = Math.min(idleIntervalsMax, Math.floor(elapsedMs / intervalMs));
    if (this.#ended > 0) {
      const busyMs = Math.max(1, (this.#underWay > 0 ? now : this.#movedAt) - this.#judgedAt);
      this.#rate += ((this.#ended / busyMs - this.#rate) * busyMs) / (busyMs + rateMs);
    }
    let pauseMs = intervalMs;
    const isUnknown = fastestMs === Infinity && this.#underWay > 0;
    if (fastestMs !== Infinity && this.#peak <= countMin) this.#learn(fastestMs);
    const queueMs = Math.max(delayMs, this.#naturalMs * naturalFactor);
    if (fastestMs !== Infinity && fastestMs > queueMs) {
      if (this.#peak > countMin) {
        this.#capacity = this.#rate;
        this.#limit = Math.max(countMin, Math.min(this.#limit, this.#rate * queueMs));
        pauseMs = Math.max(intervalMs, fastestMs);
      }
    } else if (!isUnknown) {
      const most = this.#mostOf(queueMs, intervals);
      this.#limit = Math.min(countMax, most, this.#limit * growth ** intervals);
    }
    this.#ended = 0;
    this.#fastestMs = Infinity;
    this.#peak = this.#underWay;
    this.#judgedAt = now;
    this.#judgeAt = (now + pauseMs) as Instant;
  }

  /** What the limit may grow to. The capacity is forgotten when it would allow what is allowed to who knows of none. */
  #mostOf(queueMs: number, intervals: number): number {
    const { countMin, burstMin } = this.#options;
    const unknown = Math.max(burstMin, this.#rate * queueMs * delaysMax);
    if (this.#capacity === undefined) return unknown;
    this.#capacity = Math.max(this.#rate, this.#capacity * capacityGrowth ** intervals);
    const known = this.#capacity * queueMs * delaysKnownMax;
    if (known < unknown) return Math.max(countMin, known);
    this.#capacity = undefined;
    return unknown;
  }

  #learn(fastestMs: number): void {
    const slower = this.#naturalMs + (fastestMs - this.#naturalMs) * naturalGain;
    this.#naturalMs = Math.min(fastestMs, slower);
  }
}
