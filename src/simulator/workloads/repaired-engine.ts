/**
 * An engine that is repaired while it runs, as LevelDB is: for a moment it takes and shows nothing; then some entries are
 * gone, others are what they were before their last write, and it says that it does not know which.
 */
import { Buffer } from 'node:buffer';
import { doubtfulRanges } from '../../kv/index.ts';
import { partitionsRange } from '../../kv/vnode/index.ts';
import {
  type Cursor,
  type Durability,
  type KeyRange,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  type StorageHealth,
  WriteBatch,
} from '../../storage/index.ts';
import { PassingEngine } from './passing-engine.ts';

/** What becomes of an entry. */
export type Fate = 'kept' | 'older' | 'gone';

export class RepairedEngine extends PassingEngine {
  /** Of the keys of partitions: the value before the last write. */
  readonly #before = new Map<string, Buffer | undefined>();
  readonly #doubted: (() => void)[] = [];
  readonly #writes = new Set<Promise<void>>();
  #failure: StorageError | undefined;

  constructor(engine: StorageEngine) {
    super(engine);
    super.onDoubt(() => this.#tell());
  }

  override get health(): StorageHealth {
    return this.#failure === undefined ? super.health : { kind: 'failing', error: this.#failure };
  }

  override get(key: Buffer): Buffer | undefined {
    this.#assertThere();
    return super.get(key);
  }

  override scan(range: KeyRange, options?: ScanOptions): Cursor {
    this.#assertThere();
    return super.scan(range, options);
  }

  override async write(batch: WriteBatch, durability: Durability): Promise<void> {
    this.#assertThere();
    for (const key of batch.keys) {
      if (key.compare(partitionsRange.from) < 0 || key.compare(partitionsRange.to) >= 0) continue;
      this.#before.set(key.toString('latin1'), super.get(key));
    }
    const writing = super.write(batch, durability);
    this.#writes.add(writing);
    try {
      await writing;
    } finally {
      this.#writes.delete(writing);
    }
  }

  override onDoubt(doubted: () => void): void {
    this.#doubted.push(doubted);
  }

  /** Resolves with how many entries are not what they were. Rejects with `StorageError`. */
  async repair(fateOf: () => Fate): Promise<number> {
    this.#failure = new StorageError('io', 'the engine is being repaired');
    try {
      await Promise.allSettled(this.#writes);
      const batch = new WriteBatch();
      for (const [name, before] of this.#before) {
        const fate = fateOf();
        if (fate === 'kept') continue;
        const key = Buffer.from(name, 'latin1');
        if (fate === 'older' && before !== undefined) batch.put(key, before);
        else batch.delete(key);
      }
      await super.write(batch, 'synced');
      for (const range of doubtfulRanges) await super.deleteRange(range);
      this.#before.clear();
      this.#tell();
      return batch.length;
    } finally {
      this.#failure = undefined;
    }
  }

  #tell(): void {
    for (const doubted of this.#doubted) doubted();
  }

  #assertThere(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
