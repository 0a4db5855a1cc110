/**
 * Shares the node among connections that ask for big values. Each holds back by itself when its peer does not
 * take what was written, but a crowd of them, each with one big value under way, would make a turn of the
 * event loop as long as the crowd is large, for everybody. So they produce together only so much at a time;
 * those that have more to do wait in line, while connections with short replies go on.
 */
import type { Tasks } from '../../environment/index.ts';

/** A reply from here on is long: what it costs is in its bytes. */
export const longReplyBytesMin = 16 * 1024;
/** Of long replies of all connections, before the end of a turn; the reply that reaches it is still made. */
const turnBytesMax = 256 * 1024;

export class LongReplies {
  readonly #tasks: Pick<Tasks, 'endOfTurn'>;
  #turnBytes = 0;
  #waiting: (() => void)[] = [];
  readonly #renew = (): void => this.#turnEnded();

  constructor(tasks: Pick<Tasks, 'endOfTurn'>) {
    this.#tasks = tasks;
  }

  /** Connections whose last reply was long must `wait`. */
  get isSpent(): boolean {
    return this.#turnBytes >= turnBytesMax;
  }

  produced(bytes: number): void {
    if (this.#turnBytes === 0) this.#tasks.endOfTurn(this.#renew);
    this.#turnBytes += bytes;
  }

  /** Calls `resume` once, in the order of the calls, when there is something to spend. */
  wait(resume: () => void): void {
    this.#waiting.push(resume);
  }

  #turnEnded(): void {
    this.#turnBytes = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    let resumed = 0;
    while (resumed < waiting.length && !this.isSpent) {
      waiting[resumed]!();
      resumed += 1;
    }
    if (resumed === waiting.length) return;
    // Who resumed and waits again is behind those who have not.
    this.#waiting = [...waiting.slice(resumed), ...this.#waiting];
  }
}
