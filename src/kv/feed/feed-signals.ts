/** Who waits for changes of a bucket, on this node. */
import type { Timers } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';

/** Beyond, who would wait is answered at once, and asks again. */
export const waitingMax = 4096;

export class FeedSignals {
  readonly #timers: Pick<Timers, 'after'>;
  readonly #waiting = new Map<ByteString, Set<() => void>>();
  #count = 0;
  #isClosed = false;

  constructor(timers: Pick<Timers, 'after'>) {
    this.#timers = timers;
  }

  get waiting(): number {
    return this.#count;
  }

  changed(bucket: ByteString): void {
    const waiting = this.#waiting.get(bucket);
    if (waiting !== undefined) for (const wake of [...waiting]) wake();
  }

  /** Resolves when the bucket has changed, or after so many milliseconds; false: too many wait already. */
  async wait(bucket: ByteString, timeoutMs: number): Promise<boolean> {
    if (this.#count >= waitingMax || this.#isClosed) return false;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.#remove(bucket, wake);
        resolve();
      };
      const timer = this.#timers.after(timeoutMs, wake);
      this.#add(bucket, wake);
    });
    return !this.#isClosed;
  }

  /** Nobody waits any more. */
  close(): void {
    this.#isClosed = true;
    for (const waiting of [...this.#waiting.values()]) for (const wake of [...waiting]) wake();
  }

  #add(bucket: ByteString, wake: () => void): void {
    const waiting = this.#waiting.get(bucket);
    if (waiting === undefined) this.#waiting.set(bucket, new Set([wake]));
    else waiting.add(wake);
    this.#count += 1;
  }

  #remove(bucket: ByteString, wake: () => void): void {
    const waiting = this.#waiting.get(bucket);
    if (waiting?.delete(wake) !== true) return;
    if (waiting.size === 0) this.#waiting.delete(bucket);
    this.#count -= 1;
  }
}
