/**
 * Whether a node takes one more request, decided before anything is done for it.
 *
 * What is taken is worked on to its end; what is refused is told so at once. A node under more load than it can bear
 * must refuse some: else all requests wait, their clients give up, and what is done is done for nobody. There are
 * three queues, and a bound for each: the turn of the event loop (`AdmissionTurn`), what is under way (`AdmissionLimit`,
 * for reads and writes apart, since a read seldom waits for a disk), and bytes that wait for storage.
 *
 * G1. Beyond `requestsMax` under way, none is taken, whatever it is.
 * G2. A write that another node has taken and handed on is refused later than one of a client: it has come further.
 * G3. Handoff rests before repair is left out, and repair is left out before a request of a client is refused.
 * G4. With the load gone, all is taken again within five seconds.
 */
import type { Instant } from '../../environment/index.ts';
import { AdmissionLimit } from './admission-limit.ts';
import { AdmissionTurn } from './admission-turn.ts';

export type AdmittedWork = 'read' | 'write' | 'forwarded';

/** Which queue is full. `requests`: as many are under way as the configuration allows. */
export type OverloadCause = 'requests' | 'turn' | 'reads' | 'writes' | 'storage';
export const overloadCauses: readonly OverloadCause[] = ['requests', 'turn', 'reads', 'writes', 'storage'];

export interface AdmissionOptions {
  readonly requestsMax: number;
  /** Milliseconds that a turn of the event loop may take for long. */
  readonly turnDelayMs: number;
  /** Milliseconds that the fastest of the requests under way may take for long. */
  readonly requestDelayMs: number;
}

/** So many under way are no queue yet: a batch for the disk, and what peers have of it. */
const underWayMin = 32;
/** So many are taken at once by a node that had nothing to do. */
const burstMin = 2048;
/** What forwarded writes may have of turn and count, where clients have one. */
const forwardedShare = 1.5;
/** Without a request for so long, nobody is in the way of anything. */
const quietMs = 1000;
/** Shares of the bytes that may wait for storage. */
const handoffStorageShare = 0.25;
const repairStorageShare = 0.5;

export class AdmissionGate {
  readonly #options: AdmissionOptions;
  readonly #storageShare: () => number;
  readonly #turn: AdmissionTurn;
  readonly #reads: AdmissionLimit;
  readonly #writes: AdmissionLimit;
  #lastEnteredAt: Instant | undefined;

  /** `storageShare`: bytes that wait for storage, as a share of those that may. */
  constructor(options: AdmissionOptions, storageShare: () => number, now: Instant) {
    this.#options = options;
    this.#storageShare = storageShare;
    this.#turn = new AdmissionTurn(options.turnDelayMs, now);
    const countMax = options.requestsMax;
    const bounds = {
      countMin: Math.min(underWayMin, countMax),
      countMax,
      burstMin: Math.max(burstMin, Math.min(underWayMin, countMax)),
      delayMs: options.requestDelayMs,
    };
    this.#reads = new AdmissionLimit(bounds, now);
    this.#writes = new AdmissionLimit(bounds, now);
  }

  get underWay(): number {
    return this.#reads.underWay + this.#writes.underWay;
  }

  /** Requests of the kind that may be under way at present. */
  limitOf(kind: 'reads' | 'writes'): number {
    return kind === 'reads' ? this.#reads.count : this.#writes.count;
  }

  /** To be told of all that keeps the loop busy. True: `turnEnded` is due when the turn ends. */
  busy(now: Instant): boolean {
    return this.#turn.began(now);
  }

  turnEnded(now: Instant): void {
    this.#turn.ended(now);
  }

  /** Why it is not taken; undefined: it may `enter`. */
  refusal(work: AdmittedWork, now: Instant): OverloadCause | undefined {
    const share = work === 'forwarded' ? forwardedShare : 1;
    if (this.underWay >= this.#options.requestsMax) return 'requests';
    if (this.#turn.isSpent(now, share)) return 'turn';
    if (work === 'read') return this.#reads.isFull(now, share) ? 'reads' : undefined;
    if (this.#storageShare() >= share) return 'storage';
    return this.#writes.isFull(now, share) ? 'writes' : undefined;
  }

  enter(work: AdmittedWork, now: Instant): void {
    this.#lastEnteredAt = now;
    this.#limit(work).entered(now);
  }

  /** `tookMs`: undefined if it failed, which may take any time. */
  leave(work: AdmittedWork, tookMs: number | undefined, now: Instant): void {
    this.#limit(work).left(tookMs, now);
  }

  /** Whether work of this class, that can be done later, should rest (G3). */
  defers(traffic: 'repair' | 'handoff', now: Instant): boolean {
    const share = traffic === 'repair' ? repairStorageShare : handoffStorageShare;
    if (this.#storageShare() >= share) return true;
    if (this.isQuiet(now)) return false;
    if (this.#turn.isLong(now)) return true;
    return traffic === 'handoff' && (this.#reads.isStrained(now) || this.#writes.isStrained(now));
  }

  /** No client is there to make room for. */
  isQuiet(now: Instant): boolean {
    if (this.underWay > 0) return false;
    return this.#lastEnteredAt === undefined || now - this.#lastEnteredAt > quietMs;
  }

  #limit(work: AdmittedWork): AdmissionLimit {
    return work === 'read' ? this.#reads : this.#writes;
  }
}
