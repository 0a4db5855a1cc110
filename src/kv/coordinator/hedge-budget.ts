/**
 * Bounds hedged reads to a share of all reads that could be hedged. When everything is slow, everyone is late: a
 * hedge for each read would then double the load that is the cause.
 */
const earnedPerRead = 0.1;
const tokensMax = 20;

export class HedgeBudget {
  #tokens = tokensMax;

  /** A read has begun that waits for a value from a peer. */
  readBegan(): void {
    this.#tokens = Math.min(tokensMax, this.#tokens + earnedPerRead);
  }

  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
