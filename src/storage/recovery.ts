/**
 * The loop that brings a failing engine back: try, and while that fails try again, ever less often.
 */
import type { Environment, Timer } from '../environment/index.ts';

const RECOVERY_DELAY_MS = 100;
const RECOVERY_DELAY_MS_MAX = 5000;

export type RecoveryAttempt = () => Promise<'recovered' | 'still failing'>;

export class Recovery {
  readonly #environment: Pick<Environment, 'timers' | 'tasks'>;
  readonly #name: string;
  readonly #attempt: RecoveryAttempt;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(environment: Pick<Environment, 'timers' | 'tasks'>, name: string, attempt: RecoveryAttempt) {
    this.#environment = environment;
    this.#name = name;
    this.#attempt = attempt;
  }

  /** Schedules the first attempt. May be called again after an attempt has recovered the engine. */
  start(): void {
    this.#schedule(RECOVERY_DELAY_MS);
  }

  /** No attempt begins after this; resolves when the one under way, if any, has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#environment.timers.after(delayMs, () => {
      this.#environment.tasks.spawn(this.#name, () => {
        this.#running = this.#run(delayMs);
        return this.#running;
      });
    });
  }

  async #run(delayMs: number): Promise<void> {
    if (this.#stopped) return;
    const outcome = await this.#attempt();
    if (outcome === 'still failing') this.#schedule(Math.min(2 * delayMs, RECOVERY_DELAY_MS_MAX));
  }
}
