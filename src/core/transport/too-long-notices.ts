/** Logs of messages that are longer than any may be, at most one line in a while: who wants to send one tries again and again. */
import type { Clock, Instant, Log, LogFields, NodeId } from '../../environment/index.ts';

/** Milliseconds between two lines. */
export const tooLongNoticeMs = 10_000;

export class TooLongNotices {
  readonly #log: Log;
  readonly #clock: Clock;
  #saidAt: Instant | undefined;
  #unsaid = 0;

  constructor({ log, clock }: { readonly log: Log; readonly clock: Clock }) {
    this.#log = log;
    this.#clock = clock;
  }

  /** `unsaid`: others, of any subject, that were not logged since the line before. */
  say(to: NodeId, subject: LogFields, bytes: number, bytesMax: number): void {
    const now = this.#clock.now();
    if (this.#saidAt !== undefined && now - this.#saidAt < tooLongNoticeMs) {
      this.#unsaid += 1;
      return;
    }
    const fields = { to, ...subject, bytes, bytesMax, unsaid: this.#unsaid };
    this.#log.warn('an object is too large for a message between nodes (cluster.message.maximum)', fields);
    this.#saidAt = now;
    this.#unsaid = 0;
  }
}
