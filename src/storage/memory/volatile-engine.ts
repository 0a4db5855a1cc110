/** The memory engine without a journal: what it holds is gone when it closes. For tests and caches. */
import { Buffer } from 'node:buffer';
import type { Environment } from '../../environment/index.ts';
import { byteStringOf, OrderedMap } from '../../stdx/index.ts';
import {
  type Cursor,
  type KeyRange,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  type StorageHealth,
  type WriteBatch,
} from '../storage-engine.ts';
import { MemoryCursor } from './memory-cursor.ts';
import { keysIn, sizeIn } from './tree-range.ts';

export class VolatileEngine implements StorageEngine {
  readonly name = 'memory';
  readonly health: StorageHealth = { kind: 'healthy' };
  readonly #tree = new OrderedMap<Buffer>();
  readonly #yieldTurn: () => Promise<void>;
  #closed = false;

  constructor(environment: Pick<Environment, 'tasks'>) {
    this.#yieldTurn = () => new Promise((resolve) => environment.tasks.endOfTurn(resolve));
  }

  get(key: Buffer): Buffer | undefined {
    this.#assertOpen();
    const value = this.#tree.get(byteStringOf(key));
    return value && Buffer.from(value);
  }

  async write(batch: WriteBatch): Promise<void> {
    this.#assertOpen();
    for (let i = 0; i < batch.length; i++) {
      const value = batch.values[i];
      const name = byteStringOf(batch.keys[i]!);
      if (value === undefined) this.#tree.delete(name);
      else this.#tree.set(name, Buffer.from(value));
    }
  }

  scan(range: KeyRange, options: ScanOptions = {}): Cursor {
    this.#assertOpen();
    const walker = this.#tree.snapshot().walk(options.reverse);
    return new MemoryCursor(walker, range.from, range.to, options, {
      read: (_key, value) => Buffer.from(value),
      assertOpen: () => this.#assertOpen(),
      yieldTurn: this.#yieldTurn,
      closed: async () => {},
    });
  }

  async deleteRange(range: KeyRange): Promise<void> {
    this.#assertOpen();
    for (const name of keysIn(this.#tree.snapshot(), range)) this.#tree.delete(name);
  }

  async sizeEstimate(range: KeyRange): Promise<number> {
    this.#assertOpen();
    return sizeIn(this.#tree.snapshot(), range, (name, value) => name.length + value.length, this.#yieldTurn);
  }

  async copyTo(_directory: string): Promise<void> {
    this.#assertOpen();
    throw new StorageError(
      'unsupported',
      'a memory engine without a journal has nothing to copy to a directory',
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #assertOpen(): void {
    if (this.#closed) throw new StorageError('closed', 'the storage engine is closed');
  }
}
