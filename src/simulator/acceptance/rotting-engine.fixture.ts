/** An engine of which values rot: they are named as corrupt by reads and scans until they are written anew. */
import type { Buffer } from 'node:buffer';
import {
  type Cursor,
  type CursorLimits,
  type Durability,
  type Entry,
  type KeyRange,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  type StorageHealth,
  type WriteBatch,
} from '../../storage/index.ts';

export class RottingEngine implements StorageEngine {
  readonly #engine: StorageEngine;
  /** Storage keys, hexadecimal. */
  readonly #rotten = new Set<string>();

  constructor(engine: StorageEngine) {
    this.#engine = engine;
  }

  get name(): string {
    return this.#engine.name;
  }

  get health(): StorageHealth {
    return this.#engine.health;
  }

  rot(key: Buffer): void {
    this.#rotten.add(key.toString('hex'));
  }

  get(key: Buffer): Buffer | undefined {
    if (this.#rotten.has(key.toString('hex'))) throw rotten();
    return this.#engine.get(key);
  }

  async write(batch: WriteBatch, durability: Durability): Promise<void> {
    await this.#engine.write(batch, durability);
    for (const key of batch.keys) this.#rotten.delete(key.toString('hex'));
  }

  scan(range: KeyRange, options?: ScanOptions): Cursor {
    const cursor = this.#engine.scan(range, options);
    if (options?.keysOnly === true) return cursor;
    const isRotten = ({ key }: Entry): boolean => this.#rotten.has(key.toString('hex'));
    return {
      next: (limits: CursorLimits) => nextSound(cursor, limits, isRotten, options),
      seek: (key) => cursor.seek(key),
      close: () => cursor.close(),
    };
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

async function nextSound(
  cursor: Cursor,
  limits: CursorLimits,
  isRotten: (entry: Entry) => boolean,
  options: ScanOptions | undefined,
): Promise<readonly Entry[]> {
  for (;;) {
    const entries = await cursor.next(limits);
    const sound = entries.filter((entry) => !isRotten(entry));
    for (const entry of entries) {
      if (!isRotten(entry)) continue;
      if (options?.corrupt === undefined) throw rotten();
      options.corrupt(entry.key, rotten());
    }
    if (sound.length > 0 || entries.length === 0) return sound;
  }
}

function rotten(): StorageError {
  return new StorageError('corrupt', 'the checksum is wrong');
}
