export interface Timer {
  /** After this returns, the wake-up does not happen. Cancelling twice is allowed. */
  cancel(): void;
}

export interface Timers {
  /** Calls `wake` once, not before `delayMs` milliseconds have passed. */
  after(delayMs: number, wake: () => void): Timer;
}
