import type { Environment } from '../../environment/index.ts';
import { Pause } from './pause.ts';

/** Work of a node that goes on, with pauses, until the node closes: which wakes it, and waits for its end. */
export class BackgroundTask {
  /** What the work waits by, and asks whether it shall end. */
  readonly pause: Pause;
  readonly #name: string;
  readonly #tasks: Environment['tasks'];
  #running: Promise<void> | undefined;
  #isWantedAgain = false;

  constructor(name: string, { timers, tasks }: Pick<Environment, 'timers' | 'tasks'>) {
    this.pause = new Pause(timers);
    this.#name = name;
    this.#tasks = tasks;
  }

  /** `work` may end by itself. Started while it runs, it is run once more then; not at all after a stop. */
  start(work: () => Promise<void>): void {
    if (this.pause.isClosed) return;
    if (this.#running !== undefined) {
      this.#isWantedAgain = true;
      return;
    }
    let ended = (): void => {};
    this.#running = new Promise((resolve) => {
      ended = resolve;
    });
    this.#tasks.spawn(this.#name, async () => {
      do {
        this.#isWantedAgain = false;
        await work();
      } while (this.#isWantedAgain && !this.pause.isClosed);
      this.#running = undefined;
      ended();
    });
  }

  /** Begins nothing any more. */
  stop(): void {
    this.pause.close();
  }

  async close(): Promise<void> {
    this.stop();
    await this.#running;
  }
}
