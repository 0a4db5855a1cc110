/** So many bytes a second on average: who takes more waits until it is made up for. */
import type { Instant } from '../../environment/index.ts';

export class RateLimit {
  readonly #bytesPerSecond: number;
  /** When everything taken so far is paid for. */
  #paidAt: number | undefined;

  /** 0: no limit. */
  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Takes `bytes`; returns the milliseconds to wait before the next ones. */
  take(bytes: number, now: Instant): number {
    if (this.#bytesPerSecond === 0) return 0;
    const from = Math.max(this.#paidAt ?? now, now);
    this.#paidAt = from + (bytes * 1000) / this.#bytesPerSecond;
    return this.#paidAt - now;
  }
}
