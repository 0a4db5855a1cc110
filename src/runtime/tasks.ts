/**
 * Work that nobody awaits, and the end of a turn.
 *
 * `endOfTurn` costs one `setImmediate` for all callbacks of a turn: Node runs it after the poll
 * phase, when every socket that had input has been read. What a callback itself puts off to the end
 * of the turn (a storage batch that answers at once, then the socket write) still runs in the same
 * turn, up to `passesMax`, so that a callback which renews itself cannot starve the loop.
 */
import type { Tasks } from '../environment/index.ts';
import type { CrashHandler } from './crash.ts';

const passesMax = 8;

export class MachineTasks implements Tasks {
  readonly #crash: CrashHandler;
  #waiting: (() => void)[] = [];
  #spare: (() => void)[] = [];
  #isArmed = false;
  readonly #runTurnEnd = (): void => this.#turnEnded();

  constructor(crash: CrashHandler) {
    this.#crash = crash;
  }

  spawn(name: string, body: () => Promise<void>): void {
    try {
      body().catch((error: unknown) => this.#crash(name, error));
    } catch (error) {
      this.#crash(name, error);
    }
  }

  endOfTurn(run: () => void): void {
    this.#waiting.push(run);
    if (this.#isArmed) return;
    this.#isArmed = true;
    setImmediate(this.#runTurnEnd);
  }

  #turnEnded(): void {
    for (let pass = 0; pass < passesMax && this.#waiting.length > 0; pass++) {
      const due = this.#waiting;
      this.#waiting = this.#spare;
      for (const run of due) {
        try {
          run();
        } catch (error) {
          this.#crash('end of turn', error);
        }
      }
      due.length = 0;
      this.#spare = due;
    }
    this.#isArmed = this.#waiting.length > 0;
    if (this.#isArmed) setImmediate(this.#runTurnEnd);
  }
}
