/** The time a call has, and its caller's signal, as one thing to wait with. */
import type { Clock, Instant, Timers } from '../environment/index.ts';
import type { CallOptions } from './call-options.ts';
import { HaleError } from './hale-error.ts';

type Time = { readonly clock: Pick<Clock, 'now'>; readonly timers: Timers };

/** A day: longer is a mistake, and timers count in 32 bits. */
export const timeoutMsMax = 86_400_000;

export class Deadline {
  readonly at: Instant;
  readonly #time: Time;
  readonly #signal: AbortSignal | undefined;

  constructor(time: Time, options: CallOptions, timeoutMsDefault: number) {
    const timeoutMs = options.timeoutMs ?? timeoutMsDefault;
    if (!(timeoutMs > 0 && timeoutMs <= timeoutMsMax)) {
      throw new HaleError(
        'invalid_argument',
        `timeoutMs is above 0 and at most ${timeoutMsMax}, not ${timeoutMs}`,
      );
    }
    this.#time = time;
    this.#signal = options.signal;
    this.at = (time.clock.now() + timeoutMs) as Instant;
  }

  /** Never negative. */
  remainingMs(): number {
    return Math.max(0, this.at - this.#time.clock.now());
  }

  /** Throws `aborted` or `timeout` if there is no time left. */
  check(): void {
    if (this.#signal?.aborted === true) throw abortedError(this.#signal);
    if (this.remainingMs() === 0) throw new HaleError('timeout', 'no answer in time');
  }

  /**
   * Calls `end` once, with the reason, when the time is up or the signal fires; `withinMs` may make the
   * time shorter. The returned function takes the watch away.
   */
  watch(end: (reason: HaleError) => void, withinMs: number = Number.POSITIVE_INFINITY): () => void {
    const signal = this.#signal;
    const finish = (reason: HaleError): void => {
      stop();
      end(reason);
    };
    const aborted = (): void => finish(abortedError(signal));
    // A signal that fired already tells nobody; it may have done so since `check`.
    const isLate = signal?.aborted === true;
    const timer = this.#time.timers.after(isLate ? 0 : Math.min(withinMs, this.remainingMs()), () =>
      finish(isLate ? abortedError(signal) : new HaleError('timeout', 'no answer in time')),
    );
    const stop = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', aborted);
    };
    signal?.addEventListener('abort', aborted, { once: true });
    return stop;
  }

  /** Resolves after `delayMs`; rejects with `timeout` or `aborted` if that comes first. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = this.watch((reason) => {
        timer.cancel();
        reject(reason);
      });
      const timer = this.#time.timers.after(delayMs, () => {
        stop();
        resolve();
      });
    });
  }
}

function abortedError(signal: AbortSignal | undefined): HaleError {
  return new HaleError('aborted', 'the call was aborted', { cause: signal?.reason });
}
