/**
 * An engine that for a while cannot read what lies in a range of keys: a replica that is out of reach.
 */
import type { Buffer } from 'node:buffer';
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

export interface Hidden {
  /** Changed by the scenario while the engine runs. */
  range: { readonly from: Buffer; readonly to: Buffer } | undefined;
}

export class HidingEngine implements StorageEngine {
  readonly #engine: StorageEngine;
  readonly #hidden: Hidden;

  constructor(engine: StorageEngine, hidden: Hidden) {
    this.#engine = engine;
    this.#hidden = hidden;
  }

  get name(): string {
    return this.#engine.name;
  }

  get health(): StorageHealth {
    return this.#engine.health;
  }

  get(key: Buffer): Buffer | undefined {
    const { range } = this.#hidden;
    if (range !== undefined && key.compare(range.from) >= 0 && key.compare(range.to) < 0) {
      throw new StorageError('io', 'out of reach');
    }
    return this.#engine.get(key);
  }

  write(batch: WriteBatch, durability: Durability): Promise<void> {
    return this.#engine.write(batch, durability);
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
