/** The walk of one partition by one cursor, opened at the first pull. */
import { type PartitionWalk, WalkError } from '../../core/coverage/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import { type Cursor, StorageError } from '../../storage/index.ts';

export interface WalkPiece {
  readonly items: readonly ByteString[];
  readonly after: ByteString;
}

/** Bytes of storage keys in one piece. */
export const pieceBytesMax = 256 * 1024;

export abstract class CursorWalk implements PartitionWalk {
  #cursor: Cursor | undefined;

  async next(itemsMax: number): Promise<WalkPiece | undefined> {
    return reading(async () => {
      this.#cursor ??= this.open();
      return this.pull(this.#cursor, itemsMax);
    });
  }

  async close(): Promise<void> {
    await this.#cursor?.close();
  }

  protected abstract open(): Cursor;
  protected abstract pull(cursor: Cursor, itemsMax: number): Promise<WalkPiece | undefined>;
}

/** Says of storage errors that another replica may do better. */
export async function reading<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof StorageError ? new WalkError(error.message) : error;
  }
}
