/** Going on with a journal that failed: once the disk works again, from what is on it. */
import type { Environment, Timer } from '../../environment/index.ts';
import { WalError } from '../../wal/index.ts';
import type { LogJournal } from './log-journal.ts';

const retryMs = 1000;

export interface JournalRepairParts {
  readonly environment: Pick<Environment, 'timers' | 'tasks' | 'log'>;
  readonly journal: LogJournal;
  /** The journal shows what is on disk again; what is only in memory may be written anew. */
  readonly repaired: () => void;
}

export class JournalRepair {
  readonly #parts: JournalRepairParts;
  #timer: Timer | undefined;
  /** A repair that was called off does nothing when its drain ends. */
  #attempt = 0;

  constructor(parts: JournalRepairParts) {
    this.#parts = parts;
  }

  get isUnderWay(): boolean {
    return this.#timer !== undefined;
  }

  /** Tries in a while, and again until it succeeds. */
  begin(): void {
    const { timers, tasks } = this.#parts.environment;
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.#timer = timers.after(retryMs, () => {
      tasks.spawn('repair the journal of the cluster log', () => this.#repair(attempt));
    });
  }

  stop(): void {
    this.#attempt += 1;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #repair(attempt: number): Promise<void> {
    const { journal, environment, repaired } = this.#parts;
    await journal.drain();
    if (attempt !== this.#attempt) return;
    try {
      journal.reload();
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      environment.log.error('the journal of the cluster log cannot be read', { reason: error.message });
      this.begin();
      return;
    }
    this.#timer = undefined;
    repaired();
  }
}
