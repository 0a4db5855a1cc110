/**
 * Work that waits for a while and may be left undone: bounded in number, and dropped when the node stops,
 * so that no timer outlives the store or keeps a process alive.
 */
import type { Timer, Timers } from '../environment/index.ts';

export class PostponedWork {
  readonly #timers: Timers;
  readonly #waitingMax: number;
  readonly #waiting = new Set<Timer>();
  #isClosed = false;

  constructor(timers: Timers, waitingMax: number) {
    this.#timers = timers;
    this.#waitingMax = waitingMax;
  }

  /** Does the work after the delay, unless too much waits already or the node stops before. */
  postpone(delayMs: number, work: () => void): void {
    if (this.#isClosed || this.#waiting.size >= this.#waitingMax) return;
    const timer = this.#timers.after(delayMs, () => {
      this.#waiting.delete(timer);
      work();
    });
    this.#waiting.add(timer);
  }

  /** Drops what waits, and what comes. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#waiting) timer.cancel();
    this.#waiting.clear();
  }
}
