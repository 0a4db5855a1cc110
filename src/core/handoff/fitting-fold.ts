/**
 * A fold whose slices each fit into one message. What fits into none is left out, and counts as unreadable: the rest
 * goes, and the transfer is not complete.
 */
import type { Buffer } from 'node:buffer';
import type { PartitionFold } from './partition-store.ts';
import { batchHeadBytesMax, batchItemBytes } from './transfer-codec.ts';

export class FittingFold implements PartitionFold {
  readonly #fold: PartitionFold;
  readonly #messageBytesMax: number;
  readonly #leftOut: (item: Buffer) => void;
  /** Of the slice that was read last. */
  #rest: readonly Buffer[] = [];
  #tooLarge = 0;

  /** `leftOut` is told of each item that is too large. */
  constructor(fold: PartitionFold, messageBytesMax: number, leftOut: (item: Buffer) => void) {
    this.#fold = fold;
    this.#messageBytesMax = messageBytesMax;
    this.#leftOut = leftOut;
  }

  get tooLarge(): number {
    return this.#tooLarge;
  }

  get unreadable(): number {
    return this.#fold.unreadable + this.#tooLarge;
  }

  async next(): Promise<readonly Buffer[] | undefined> {
    for (;;) {
      const items = this.#rest.length > 0 ? this.#rest : await this.#fold.next();
      if (items === undefined) return undefined;
      const fitting = this.#cut(items);
      if (fitting.length > 0) return fitting;
    }
  }

  close(): Promise<void> {
    return this.#fold.close();
  }

  /** As many of the first as one message holds. */
  #cut(items: readonly Buffer[]): readonly Buffer[] {
    const fitting: Buffer[] = [];
    let room = this.#messageBytesMax - batchHeadBytesMax;
    for (const [at, item] of items.entries()) {
      const bytes = batchItemBytes(item);
      if (bytes > this.#messageBytesMax - batchHeadBytesMax) {
        this.#tooLarge += 1;
        this.#leftOut(item);
        continue;
      }
      if (bytes > room) {
        this.#rest = items.slice(at);
        return fitting;
      }
      room -= bytes;
      fitting.push(item);
    }
    this.#rest = [];
    return fitting;
  }
}
