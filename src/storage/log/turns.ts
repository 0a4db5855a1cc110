/** Whose turn it is: writers one at a time, and the event loop between slices of long work. */
import type { Tasks } from '../../environment/index.ts';

export class Turns {
  readonly #tasks: Tasks;
  #last: Promise<unknown> = Promise.resolve();

  constructor(tasks: Tasks) {
    this.#tasks = tasks;
  }

  /** Runs `work` when all that was given before has ended. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => undefined); // the caller is told; the next one only waits
    return run;
  }

  yieldTurn(): Promise<void> {
    return new Promise((resolve) => this.#tasks.endOfTurn(resolve));
  }
}
