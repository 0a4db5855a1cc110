/**
 * Timers over `setTimeout`, without two of its traps: it may fire up to a millisecond early by the
 * monotonic clock, and a delay beyond 2^31-1 ms (25 days) makes it fire at once.
 */
import type { Timer, Timers } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';
import type { CrashHandler } from './crash.ts';

const setTimeoutMsMax = 2 ** 31 - 1;

class MachineTimer implements Timer {
  readonly #dueAtMs: number;
  readonly #wake: () => void;
  #handle: NodeJS.Timeout;
  #isOver = false;

  constructor(delayMs: number, wake: () => void) {
    this.#dueAtMs = performance.now() + delayMs;
    this.#wake = wake;
    this.#handle = this.#arm(delayMs);
  }

  cancel(): void {
    this.#isOver = true;
    clearTimeout(this.#handle);
  }

  #arm(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#expired(), Math.min(Math.ceil(delayMs), setTimeoutMsMax));
  }

  #expired(): void {
    if (this.#isOver) return;
    const leftMs = this.#dueAtMs - performance.now();
    if (leftMs > 0) {
      this.#handle = this.#arm(leftMs);
      return;
    }
    this.#isOver = true;
    this.#wake();
  }
}

export class MachineTimers implements Timers {
  readonly #crash: CrashHandler;

  constructor(crash: CrashHandler) {
    this.#crash = crash;
  }

  after(delayMs: number, wake: () => void): Timer {
    assert(delayMs >= 0, 'a delay is not negative');
    return new MachineTimer(delayMs, () => {
      try {
        wake();
      } catch (error) {
        this.#crash('timer', error);
      }
    });
  }
}
