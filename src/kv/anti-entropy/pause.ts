/** Waiting that ends early when the node closes. One waiter at a time. */
import type { Timer, Timers } from '../../environment/index.ts';

export class Pause {
  readonly #timers: Timers;
  #isClosed = false;
  #timer: Timer | undefined;
  #wake: (() => void) | undefined;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves after `delayMs`, or when woken or closed. */
  for(delayMs: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#timer = this.#timers.after(delayMs, () => this.wake());
    });
  }

  wake(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  close(): void {
    this.#isClosed = true;
    this.wake();
  }
}
