/**
 * Shares the node with everybody else. A peer that takes a value as fast as it is read, on a disk that answers at once,
 * would never let go of the event loop: so each chunk, of whichever transfer, waits for a turn of its own.
 */
import type { Tasks } from '../../environment/index.ts';

export class ChunkTurns {
  readonly #tasks: Pick<Tasks, 'endOfTurn'>;
  readonly #waiting: (() => void)[] = [];
  readonly #next = (): void => this.#turnEnded();

  constructor(tasks: Pick<Tasks, 'endOfTurn'>) {
    this.#tasks = tasks;
  }

  /** Resolves in the order of the calls, once a turn. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) this.#tasks.endOfTurn(this.#next);
    });
  }

  #turnEnded(): void {
    const [first] = this.#waiting.splice(0, 1);
    first?.();
    if (this.#waiting.length === 0) return;
    // What is asked for while a turn ends would still be of that turn.
    queueMicrotask(() => this.#tasks.endOfTurn(this.#next));
  }
}
