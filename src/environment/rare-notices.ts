/** Lines of the log of one kind, at most one in a while: whoever is the cause of one is that often. */
import type { Clock, Instant } from './clock.ts';
import type { Log, LogFields } from './log.ts';

/** Milliseconds between two lines. */
export const rareNoticeMs = 10_000;

export class RareNotices {
  readonly #log: Log;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #message: string;
  #saidAt: Instant | undefined;
  #unsaid = 0;

  constructor(log: Log, clock: Pick<Clock, 'now'>, message: string) {
    this.#log = log;
    this.#clock = clock;
    this.#message = message;
  }

  /** With how many were not logged since the line before. */
  warn(fields: () => LogFields): void {
    const now = this.#clock.now();
    if (this.#saidAt !== undefined && now - this.#saidAt < rareNoticeMs) {
      this.#unsaid += 1;
      return;
    }
    this.#log.warn(this.#message, { ...fields(), unsaid: this.#unsaid });
    this.#saidAt = now;
    this.#unsaid = 0;
  }
}
