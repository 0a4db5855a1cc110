/**
 * What two sides of a transfer count to know that they mean the same batches: how many items, and the sum of
 * the batches' checksums. A sum, so that what was sent before a break can be taken off.
 */
import type { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';

export interface Tally {
  readonly count: number;
  /** Modulo 2^32. */
  readonly hash: number;
}

export const emptyTally: Tally = { count: 0, hash: 0 };

/** The number goes in, so that two batches in each other's place differ. */
export function tallyOfBatch(number: number, items: readonly Buffer[]): Tally {
  let hash = crc32(`${number}`);
  for (const item of items) hash = crc32(item, crc32(`${item.length}`, hash));
  return { count: items.length, hash };
}

export function addTallies(a: Tally, b: Tally): Tally {
  return { count: a.count + b.count, hash: (a.hash + b.hash) >>> 0 };
}

export function subtractTallies(a: Tally, b: Tally): Tally {
  return { count: a.count - b.count, hash: (a.hash - b.hash) >>> 0 };
}

export function sameTally(a: Tally, b: Tally): boolean {
  return a.count === b.count && a.hash === b.hash;
}
