import { SlotTable } from '../../stdx/index.ts';

/** Writes that may go side by side, and work that needs that none does. */
export class Turns {
  readonly #shared = new SlotTable<Promise<void>>();
  #last: Promise<unknown> = Promise.resolve();
  #exclusive = 0;

  /** Nothing that must be alone goes on or waits. */
  get areFree(): boolean {
    return this.#exclusive === 0;
  }

  /** To be called when the turns are free. */
  async share(work: () => Promise<void>): Promise<void> {
    const run = work();
    const number = this.#shared.next();
    this.#shared.set(number, run);
    try {
      await run;
    } finally {
      this.#shared.delete(number);
    }
  }

  /** Runs `work` when all that was given before has ended. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.#exclusive += 1;
    const run = this.#last.then(() => Promise.allSettled(this.#shared.entries())).then(work);
    this.#last = run.catch(() => undefined); // the caller is told; the next one only waits
    try {
      return await run;
    } finally {
      this.#exclusive -= 1;
    }
  }
}
