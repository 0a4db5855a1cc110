/** Lets one at a time have a key, in the order in which they came. */
import type { Tasks } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';

/** Requests that wait for one key, unless more or fewer are asked for. */
export const keyQueueMaxDefault = 1000;

export class KeyQueues {
  readonly #tasks: Pick<Tasks, 'endOfTurn'>;
  readonly #waitingMax: number;
  /** Of keys that somebody has: who waits. */
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(tasks: Pick<Tasks, 'endOfTurn'>, waitingMax = keyQueueMaxDefault) {
    this.#tasks = tasks;
    this.#waitingMax = waitingMax;
  }

  /** Calls `start` at once, or when its turn comes; it must `leave` once. False: too many wait, and it is not called. */
  enter(key: string, start: () => void): boolean {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) {
      this.#waiting.set(key, []);
      start();
      return true;
    }
    if (waiting.length >= this.#waitingMax) return false;
    waiting.push(start);
    return true;
  }

  leave(key: string): void {
    const waiting = this.#waiting.get(key);
    assert(waiting !== undefined, 'who leaves a key has it');
    const next = waiting.shift();
    if (next === undefined) this.#waiting.delete(key);
    // Not from here: a thousand that are refused at once would call each other.
    else this.#tasks.endOfTurn(next);
  }
}
