/**
 * Lifeguard's local health multiplier (Dadgar et al. §4.1): how much this node has reason to blame itself. A
 * node that is slow, or to which nothing gets through, sees all others as failing; so it asks more slowly,
 * waits longer, and judges later.
 */
const scoreMax = 8;
/** Suspicions are stretched less than probes: a cut-off node must still find out, in seconds. */
const stretchPerScore = 0.25;

export class LocalHealth {
  #score = 0;

  /** 0: well. 8: as bad as it gets. */
  get score(): number {
    return this.#score;
  }

  worsen(by = 1): void {
    this.#score = Math.min(scoreMax, this.#score + by);
  }

  improve(): void {
    this.#score = Math.max(0, this.#score - 1);
  }

  /** By how much to multiply the protocol period and the time to answer. */
  get probeFactor(): number {
    return 1 + this.#score;
  }

  /** By how much to multiply the time to refute. */
  get suspicionFactor(): number {
    return 1 + this.#score * stretchPerScore;
  }
}
