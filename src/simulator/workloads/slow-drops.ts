/** An engine whose disk takes its time to delete a range of keys, as one does of a large partition. */
import type { Environment } from '../../environment/index.ts';
import type { KeyRange, StorageEngine } from '../../storage/index.ts';
import type { Prng } from '../prng.ts';
import { PassingEngine } from './passing-engine.ts';

export interface DropPace {
  /** Changed by the scenario while the engine runs. */
  msMean: number;
}

export class SlowDrops extends PassingEngine {
  readonly #pace: DropPace;
  readonly #random: Prng;
  readonly #timers: Environment['timers'];

  constructor(engine: StorageEngine, pace: DropPace, random: Prng, { timers }: Pick<Environment, 'timers'>) {
    super(engine);
    this.#pace = pace;
    this.#random = random;
    this.#timers = timers;
  }

  override async deleteRange(range: KeyRange): Promise<void> {
    await this.#pause();
    await super.deleteRange(range);
    await this.#pause();
  }

  async #pause(): Promise<void> {
    if (this.#pace.msMean === 0) return;
    const ms = this.#random.exponential(this.#pace.msMean);
    await new Promise<void>((resolve) => void this.#timers.after(ms, resolve));
  }
}
