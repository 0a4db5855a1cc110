/**
 * The outcome of a write to a partition that is in a move, or that is stray: stored when this node has it and the
 * gate lets it pass (C3).
 */
import type { KvError } from '../kv-error.ts';

const notPassed: KvError = {
  code: 'storage',
  reason: 'the partition is moving, and its new owner did not take the write',
};

export class MovingWrite {
  readonly #done: (error: KvError | undefined) => void;
  #waiting = 2;
  #error: KvError | undefined;

  constructor(done: (error: KvError | undefined) => void) {
    this.#done = done;
  }

  stored(error: KvError | undefined): void {
    this.#settle(error);
  }

  passed(mayCount: boolean): void {
    this.#settle(mayCount ? undefined : notPassed);
  }

  #settle(error: KvError | undefined): void {
    this.#error ??= error;
    this.#waiting -= 1;
    if (this.#waiting === 0) this.#done(this.#error);
  }
}
