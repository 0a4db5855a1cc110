/**
 * An engine that at times refuses single batches and then goes on, which its contract allows: nothing of a
 * rejected batch is there. With batches of one write each, some replicas of an object then take a
 * write that others, the coordinator perhaps, did not.
 */
import { type Durability, type StorageEngine, StorageError, type WriteBatch } from '../../storage/index.ts';
import type { Prng } from '../prng.ts';
import { PassingEngine } from './passing-engine.ts';

export interface Refusals {
  /** Changed by the scenario while the engine runs. */
  probability: number;
}

export class RefusingEngine extends PassingEngine {
  readonly #refusals: Refusals;
  readonly #random: Prng;
  readonly #refused: () => void;

  constructor(engine: StorageEngine, refusals: Refusals, random: Prng, refused: () => void) {
    super(engine);
    this.#refusals = refusals;
    this.#random = random;
    this.#refused = refused;
  }

  override async write(batch: WriteBatch, durability: Durability): Promise<void> {
    if (this.#refusals.probability > 0 && this.#random.chance(this.#refusals.probability)) {
      this.#refused();
      throw new StorageError('io', 'the batch is refused');
    }
    await super.write(batch, durability);
  }
}
