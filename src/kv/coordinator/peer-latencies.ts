/**
 * How long each peer takes to answer a read: for choosing the nearest, and for knowing when one is late.
 *
 * One histogram a peer, in steps of a quarter of a power of two, from 1/16 ms on. Every so many samples all
 * counts are halved, so that what was long ago fades, and the quantile is worked out anew: recording is an
 * addition.
 */
import type { NodeId } from '../../environment/index.ts';

const stepsPerDoubling = 4;
const shortestMs = 1 / 16;
/** Up to 65 seconds. */
const stepCount = 80;
const fadeEvery = 256;
/** Before so many samples nothing is said about a peer. */
const samplesMin = 8;
const quantile = 0.95;
/** More than any doubling. */
const lateRank = 100;

class LatencyHistogram {
  readonly #counts = new Uint32Array(stepCount);
  #recorded = 0;
  #sinceRefresh = 0;
  #quantileStep = -1;

  record(ms: number): void {
    const step = Math.ceil(Math.log2(Math.max(ms, shortestMs) / shortestMs) * stepsPerDoubling);
    this.#counts[Math.min(step, stepCount - 1)] += 1;
    this.#recorded += 1;
    this.#sinceRefresh += 1;
    if (this.#sinceRefresh >= Math.min(fadeEvery, Math.max(samplesMin, this.#recorded / 4))) this.#refresh();
  }

  /** The upper end of the step that 95 % of the samples do not pass; undefined: too few samples. */
  get slowMs(): number | undefined {
    return this.#quantileStep < 0 ? undefined : shortestMs * 2 ** (this.#quantileStep / stepsPerDoubling);
  }

  /** The doubling in which the median lies: peers of one doubling are as near as each other. */
  get rank(): number {
    if (this.#quantileStep < 0) return 0;
    return Math.floor(this.#stepAt(0.5) / stepsPerDoubling);
  }

  #refresh(): void {
    this.#sinceRefresh = 0;
    this.#quantileStep = this.#stepAt(quantile);
    if (this.#recorded < fadeEvery) return;
    this.#recorded = 0;
    for (let step = 0; step < stepCount; step += 1) {
      this.#counts[step] >>>= 1;
      this.#recorded += this.#counts[step];
    }
  }

  #stepAt(fraction: number): number {
    let rest = this.#recorded * fraction;
    for (let step = 0; step < stepCount; step += 1) {
      rest -= this.#counts[step];
      if (rest <= 0) return step;
    }
    return stepCount - 1;
  }
}

export class PeerLatencies {
  readonly #peers = new Map<NodeId, LatencyHistogram>();
  /** A read got tired of waiting for them, and they have answered none since. */
  readonly #late = new Set<NodeId>();

  record(peer: NodeId, ms: number): void {
    let histogram = this.#peers.get(peer);
    if (histogram === undefined) {
      histogram = new LatencyHistogram();
      this.#peers.set(peer, histogram);
    }
    histogram.record(ms);
  }

  /** Records an answer, which ends being late. */
  answered(peer: NodeId, ms: number): void {
    if (this.#late.size > 0) this.#late.delete(peer);
    this.record(peer, ms);
  }

  /**
   * A read did not wait for the peer any longer. Until it answers, whatever it is asked, it ranks behind the others: of a
   * peer that stands still nothing is recorded by which it could be told from a quick one.
   */
  markLate(peer: NodeId): void {
    this.#late.add(peer);
  }

  owesAnswer(peer: NodeId): boolean {
    return this.#late.has(peer);
  }

  /** The 95th percentile of the peer's answers; undefined while too little is known. */
  slowMs(peer: NodeId): number | undefined {
    return this.#peers.get(peer)?.slowMs;
  }

  /** Lower is nearer. Peers of which nothing is known come first: somebody has to try them. */
  rank(peer: NodeId): number {
    return (this.#peers.get(peer)?.rank ?? 0) + (this.#late.has(peer) ? lateRank : 0);
  }

  /** Forgets peers that are no members any more. */
  keepOnly(isMember: (peer: NodeId) => boolean): void {
    for (const peer of this.#peers.keys()) if (!isMember(peer)) this.#peers.delete(peer);
    for (const peer of this.#late) if (!isMember(peer)) this.#late.delete(peer);
  }
}
