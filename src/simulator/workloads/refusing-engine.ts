/**
 * An engine that at times refuses single batches and then goes on, which its contract allows: nothing of a
 * rejected batch is there. With batches of one write each, some replicas of an object then take a
 * write that others, the coordinator perhaps, did not.
 */

import {
  type Cursor,
  type Durability,
  type KeyRange,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  type StorageHealth,
  type WriteBatch,
} from '../../storage/index.ts';
import type { Prng } from '../prng.ts';

export interface Refusals {
  /** Changed by the scenario while the engine runs. */
  probability: number;
}

export class RefusingEngine implements StorageEngine {
  readonly #engine: StorageEngine;
  readonly #refusals: Refusals;
  readonly #random: Prng;
  readonly #refused: () => void;

  constructor(engine: StorageEngine, refusals: Refusals, random: Prng, refused: () => void) {
    this.#engine = engine;
    this.#refusals = refusals;
    this.#random = random;
    this.#refused = refused;
  }

  get name(): string {
    return this.#engine.name;
  }

  get health(): StorageHealth {
    return this.#engine.health;
  }

  get(key: Buffer): Buffer | undefined {
    return this.#engine.get(key);
  }

  async write(batch: WriteBatch, durability: Durability): Promise<void> {
    if (this.#refusals.probability > 0 && this.#random.chance(this.#refusals.probability)) {
      this.#refused();
      throw new StorageError('io', 'the batch is refused');
    }
    await this.#engine.write(batch, durability);
  }

  scan(range: KeyRange, options?: ScanOptions): Cursor {
    return this.#engine.scan(range, options);
  }

  deleteRange(range: KeyRange): Promise<void> {
    return this.#engine.deleteRange(range);
  }

  sizeEstimate(range: KeyRange): Promise<number> {
    return this.#engine.sizeEstimate(range);
  }

  copyTo(directory: string): Promise<void> {
    return this.#engine.copyTo(directory);
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}
