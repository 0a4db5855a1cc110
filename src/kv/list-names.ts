/**
 * Listings over a covering set of vnodes, pulled by the consumer: one slice of one partition is in
 * memory at a time, whatever the size of the bucket.
 */
import type { CoverageStep } from '../core/coverage/index.ts';
import type { Partition } from '../core/ring/index.ts';
import type { Clock, Instant } from '../environment/index.ts';
import type { ByteString } from '../stdx/index.ts';
import type { Cursor, Entry, KeyRange, StorageEngine } from '../storage/index.ts';
import { StorageError } from '../storage/index.ts';
import { type BucketAddress, KvFailure, type NameStream, type ObjectAddress } from './key-value-store.ts';
import { addressOf, bucketRange, bucketTypeRange } from './vnode/index.ts';

const keySlice = { entriesMax: 500, bytesMax: 256 * 1024 };
/** Bucket names that one listing tells apart; more are reported as an error, not silently repeated. */
export const listedBucketsMax = 1_000_000;

export interface ListParts {
  readonly engine: StorageEngine;
  readonly clock: Clock;
  readonly deadline: Instant;
}

export function listKeys(
  parts: ListParts,
  address: BucketAddress,
  steps: readonly CoverageStep[],
  firstPartitionOf: (address: ObjectAddress) => Partition,
): NameStream {
  return new PartitionWalk(
    parts,
    steps,
    (partition) => bucketRange(partition, address),
    async (cursor, step) => {
      const entries = await cursor.next(keySlice);
      if (entries.length === 0) return undefined;
      const mine = step.firstPartitions;
      const addresses = entries.map((entry) => addressOf(entry.key));
      const reported =
        mine === undefined ? addresses : addresses.filter((found) => mine.has(firstPartitionOf(found)));
      return reported.map((found) => found.key);
    },
  );
}

/** Jumps from bucket to bucket: the cost is that of the buckets, not of their keys. */
export function listBuckets(
  parts: ListParts,
  bucketType: ByteString,
  steps: readonly CoverageStep[],
): NameStream {
  const seen = new Set<ByteString>();
  return new PartitionWalk(
    parts,
    steps,
    (partition) => bucketTypeRange(partition, bucketType),
    async (cursor, step) => {
      const entries: readonly Entry[] = await cursor.next({ entriesMax: 1, bytesMax: 1 });
      if (entries.length === 0) return undefined;
      const found = addressOf(entries[0].key);
      const { to } = bucketRange(step.partition, found);
      if (to !== undefined) cursor.seek(to);
      if (seen.has(found.bucket)) return [];
      if (seen.size >= listedBucketsMax) throw new KvFailure({ code: 'overload' });
      seen.add(found.bucket);
      return [found.bucket];
    },
  );
}

/** Walks the partitions of a plan one after another. */
class PartitionWalk implements NameStream {
  readonly #parts: ListParts;
  readonly #steps: readonly CoverageStep[];
  readonly #rangeIn: (partition: Partition) => KeyRange;
  /** Names from the cursor; empty to be called again; undefined when the partition is at its end. */
  readonly #pull: (cursor: Cursor, step: CoverageStep) => Promise<readonly ByteString[] | undefined>;
  #at = 0;
  #cursor: Cursor | undefined;
  #closed = false;

  constructor(
    parts: ListParts,
    steps: readonly CoverageStep[],
    rangeIn: (partition: Partition) => KeyRange,
    pull: (cursor: Cursor, step: CoverageStep) => Promise<readonly ByteString[] | undefined>,
  ) {
    this.#parts = parts;
    this.#steps = steps;
    this.#rangeIn = rangeIn;
    this.#pull = pull;
  }

  async next(): Promise<readonly ByteString[] | undefined> {
    const { engine, clock, deadline } = this.#parts;
    while (!this.#closed && this.#at < this.#steps.length) {
      if (clock.now() > deadline) {
        await this.close();
        throw new KvFailure({ code: 'timeout' });
      }
      const step = this.#steps[this.#at];
      try {
        this.#cursor ??= engine.scan(this.#rangeIn(step.partition), { keysOnly: true });
        const names = await this.#pull(this.#cursor, step);
        if (names !== undefined && names.length > 0) return names;
        if (names === undefined) await this.#leavePartition();
      } catch (error) {
        // The consumer has closed the cursor under this call, and wants nothing more.
        if (this.#closed && error instanceof StorageError) return undefined;
        await this.close();
        throw error instanceof StorageError
          ? new KvFailure({ code: 'storage', reason: error.message })
          : error;
      }
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#leavePartition();
  }

  async #leavePartition(): Promise<void> {
    const cursor = this.#cursor;
    this.#cursor = undefined;
    this.#at += 1;
    await cursor?.close();
  }
}
