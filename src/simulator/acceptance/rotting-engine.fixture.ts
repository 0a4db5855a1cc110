/** An engine of which values rot: they are named as corrupt by reads and scans until they are written anew. */
import type { Buffer } from 'node:buffer';
import {
  type Cursor,
  type CursorLimits,
  type Durability,
  type Entry,
  type KeyRange,
  type ScanOptions,
  StorageError,
  type WriteBatch,
} from '../../storage/index.ts';
import { PassingEngine } from '../workloads/passing-engine.ts';

export class RottingEngine extends PassingEngine {
  /** Storage keys, hexadecimal. */
  readonly #rotten = new Set<string>();

  rot(key: Buffer): void {
    this.#rotten.add(key.toString('hex'));
  }

  override get(key: Buffer): Buffer | undefined {
    if (this.#rotten.has(key.toString('hex'))) throw rotten();
    return super.get(key);
  }

  override async write(batch: WriteBatch, durability: Durability): Promise<void> {
    await super.write(batch, durability);
    for (const key of batch.keys) this.#rotten.delete(key.toString('hex'));
  }

  override scan(range: KeyRange, options?: ScanOptions): Cursor {
    const cursor = super.scan(range, options);
    if (options?.keysOnly === true) return cursor;
    const isRotten = ({ key }: Entry): boolean => this.#rotten.has(key.toString('hex'));
    return {
      next: (limits: CursorLimits) => nextSound(cursor, limits, isRotten, options),
      seek: (key) => cursor.seek(key),
      close: () => cursor.close(),
    };
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
