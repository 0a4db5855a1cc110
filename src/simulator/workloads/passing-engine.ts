/** An engine that passes all on to another: what is made worse in it is overridden. */
import type { Buffer } from 'node:buffer';
import type {
  Cursor,
  Durability,
  KeyRange,
  ScanOptions,
  StorageEngine,
  StorageHealth,
  WriteBatch,
} from '../../storage/index.ts';

export abstract class PassingEngine implements StorageEngine {
  readonly #engine: StorageEngine;

  constructor(engine: StorageEngine) {
    this.#engine = engine;
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

  onDoubt(doubted: () => void): void {
    this.#engine.onDoubt?.(doubted);
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}
