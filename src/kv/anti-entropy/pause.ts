/** Waiting that ends early when the node closes. One waits for time to pass; any number may wait for its close. */
import type { Timer, Timers } from '../../environment/index.ts';

export class Pause {
  readonly #timers: Timers;
  #isClosed = false;
  #timer: Timer | undefined;
  #wake: (() => void) | undefined;
  readonly #closing = new Set<() => void>();

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

  /** Runs `run` at the close, unless the function that is returned was called before; at once, if it is closed. */
  whenClosed(run: () => void): () => void {
    if (this.#isClosed) run();
    else this.#closing.add(run);
    return () => this.#closing.delete(run);
  }

  close(): void {
    this.#isClosed = true;
    this.wake();
    const closing = [...this.#closing];
    this.#closing.clear();
    for (const run of closing) run();
  }
}
