/**
 * All objects of a partition as of one moment, in slices, as items to hand over; then what is remembered of those that were
 * reaped lately: a copy that comes late goes to whoever owns the partition by then (C8).
 */
import type { Buffer } from 'node:buffer';
import { type FoldOptions, type PartitionFold, PartitionStoreError } from '../../core/handoff/index.ts';
import type { Partition, Ring } from '../../core/ring/index.ts';
import { type Cursor, type Entry, type GroupCommit, StorageError } from '../../storage/index.ts';
import { NameHash } from '../coordinator/index.ts';
import type { BucketAddress, ObjectAddress } from '../key-value-store.ts';
import { VersionedObject } from '../object/index.ts';
import { ObjectKey, objectsRange, prefixBytes, reapedRange } from '../vnode/index.ts';
import { encodeItem } from './partition-item.ts';
import { queuedIsWritten } from './queued-is-written.ts';
import { storeFailure } from './store-failure.ts';

/** Checking and encoding so many holds the event loop for about a millisecond. */
const sliceEntriesMax = 64;
/** Damaged objects that one fold tells of by name. What goes beyond is left to the next. */
const damagedNamedMax = 1000;

/** How a bucket's objects are placed: the number of replicas, and whether the key takes part in the hash. */
export interface BucketPlacement {
  readonly nVal: number;
  readonly bucketOnly: boolean;
}

export interface FoldParts {
  readonly commit: GroupCommit;
  readonly ring: () => Ring;
  /** Undefined: nobody knows such a bucket type; its objects move with their partition, and are rebuilt nowhere. */
  readonly placementOf: (address: BucketAddress) => BucketPlacement | undefined;
  /** A copy that cannot be read, and keeps a transfer from being complete until it is made good. */
  readonly damaged?: (partition: Partition, address: ObjectAddress) => void;
}

export class ObjectFold implements PartitionFold {
  readonly #parts: FoldParts;
  readonly #partition: Partition;
  readonly #options: FoldOptions;
  readonly #names = new NameHash();
  /** Of objects, and of reaped tombstones: both of one moment. */
  readonly #cursors: Promise<readonly [Cursor, Cursor]>;
  #unreadable = 0;

  /** The snapshot is that of this call, with all that was queued before it. */
  constructor(parts: FoldParts, partition: Partition, options: FoldOptions) {
    this.#parts = parts;
    this.#partition = partition;
    this.#options = options;
    this.#cursors = this.#takeSnapshot();
    // Whoever asks for a slice hears of it; nobody may have to.
    this.#cursors.catch(() => {});
  }

  get unreadable(): number {
    return this.#unreadable;
  }

  async next(): Promise<readonly Buffer[] | undefined> {
    try {
      const [objects, reaped] = await this.#cursors;
      return (
        (await this.#slice(objects, (entry) => this.#itemOf(entry))) ??
        (await this.#slice(reaped, (entry) => this.#reapedItemOf(entry)))
      );
    } catch (error) {
      throw storeFailure(error, `reading partition ${this.#partition}`);
    }
  }

  /** Undefined: at the end. */
  async #slice(
    cursor: Cursor,
    itemOf: (entry: Entry) => Buffer | undefined,
  ): Promise<readonly Buffer[] | undefined> {
    const limits = { entriesMax: sliceEntriesMax, bytesMax: this.#options.sliceBytes };
    for (;;) {
      const entries = await cursor.next(limits);
      if (entries.length === 0) return undefined;
      const items = entries.map(itemOf).filter((item) => item !== undefined);
      if (items.length > 0) return items;
    }
  }

  async close(): Promise<void> {
    try {
      for (const cursor of await this.#cursors) await cursor.close();
    } catch (error) {
      // There was no snapshot to free.
      if (!(error instanceof StorageError || error instanceof PartitionStoreError)) throw error;
    }
  }

  /** Behind all batches that were queued before: what they write is in it, or has failed. */
  async #takeSnapshot(): Promise<readonly [Cursor, Cursor]> {
    const { commit } = this.#parts;
    await queuedIsWritten(commit);
    const corrupt = (storageKey: Buffer | undefined): void => this.#cannotRead(storageKey);
    const objects = commit.engine.scan(objectsRange(this.#partition), { corrupt });
    // A damaged one is gone within minutes, like all of them: it is no reason to keep the partition.
    const reaped = commit.engine.scan(reapedRange(this.#partition), { corrupt: () => {} });
    return [objects, reaped];
  }

  /** Undefined: nobody knows which object that was. */
  #cannotRead(storageKey: Buffer | undefined): void {
    this.#unreadable += 1;
    if (storageKey === undefined || this.#unreadable > damagedNamedMax) return;
    const key = ObjectKey.decode(storageKey, prefixBytes, storageKey.length);
    if (key !== undefined) this.#parts.damaged?.(this.#partition, key.address);
  }

  /** Undefined: not wanted, or not readable. */
  #itemOf({ key: storageKey, value }: Entry): Buffer | undefined {
    const key = ObjectKey.decode(storageKey, prefixBytes, storageKey.length);
    // What cannot be decoded must not be sent: the receiver would have to refuse its whole batch.
    if (key === undefined || VersionedObject.tryDecode(value) === undefined) {
      this.#cannotRead(storageKey);
      return undefined;
    }
    return this.#isWanted(key) ? encodeItem(key, value) : undefined;
  }

  #reapedItemOf({ key: storageKey, value }: Entry): Buffer | undefined {
    const key = ObjectKey.decode(storageKey, prefixBytes, storageKey.length);
    const isReadable = key !== undefined && VersionedObject.tryDecode(value) !== undefined;
    return isReadable && this.#isWanted(key) ? encodeItem(key, value, true) : undefined;
  }

  #isWanted(key: ObjectKey): boolean {
    const { firstPartitions, alsoIn } = this.#options;
    if (firstPartitions === undefined && alsoIn === undefined) return true;
    const placement = this.#parts.placementOf(key.address);
    if (placement === undefined) return false;
    const ring = this.#parts.ring();
    const first = ring.partitionOf(this.#names.of(key.address, placement.bucketOnly));
    if (firstPartitions !== undefined && !firstPartitions.has(first)) return false;
    if (alsoIn === undefined) return true;
    const distance = (alsoIn - first + ring.size) % ring.size;
    return distance < placement.nVal;
  }
}
