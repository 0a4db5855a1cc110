/**
 * What was reaped lately, so that a copy that was under way all the time does not come back (C8).
 *
 * All replicas of a key held its tombstone and forgot it; a repair, or a write of one coordinator to one replica, may still
 * lie in a connection between two nodes whose way is cut, while both are reached by everybody else. Where there is nothing
 * it would pass for news. So for longer than a message can be under way a vnode merges what comes with the tombstone that
 * it has forgotten.
 *
 * In memory, and stored in the batch that removes the tombstone: a coordinator may send its write once more to a process
 * that was started since, and a partition takes what is remembered of it along when it moves. Bounded: without room
 * nothing is reaped.
 */
import type { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { Clock } from '../../environment/index.ts';
import { type ByteString, bufferOf, byteStringOf } from '../../stdx/index.ts';
import type { StorageEngine, WriteBatch } from '../../storage/index.ts';
import { mergeObjects, VersionedObject } from '../object/index.ts';
import { hasSeen } from '../write-condition.ts';
import {
  partitionAt,
  partitionRange,
  partitionsRange,
  prefixBytes,
  reapedRange,
  sectionAt,
  sectionReaped,
} from './key-layout.ts';
import { ObjectKey } from './object-key.ts';

/** Longer than a request lives, and than a connection that does not get through. */
export const reapedMsMin = 120_000;
/** Unless the node is told otherwise: some 300 bytes each. */
export const reapedMaxDefault = 300_000;
/** Of keys and tombstones, unless the node is told otherwise: plain ones reach the bound of their count first. */
export const reapedBytesMaxDefault = 96 * 2 ** 20;

const sliceLimits = { entriesMax: 1024, bytesMax: 1024 * 1024 };
const oneEntry = { entriesMax: 1, bytesMax: 1 };

/** Each absent: its default. */
export interface ReapedLimits {
  readonly versionsMax?: number;
  /** Of keys and tombstones: an object with an expired sibling beside its tombstone may be large. The last one goes beyond. */
  readonly bytesMax?: number;
}

/** As strings: buffers of their own would cost several times their bytes. */
interface Reaped {
  readonly tombstone: ByteString;
  readonly until: number;
}

export class ReapedVersions {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #versionsMax: number;
  readonly #bytesMax: number;
  /** By storage key; the oldest first. */
  readonly #reaped = new Map<ByteString, Reaped>();
  #byteLength = 0;

  constructor(clock: Pick<Clock, 'now'>, limits: ReapedLimits = {}) {
    this.#clock = clock;
    this.#versionsMax = limits.versionsMax ?? reapedMaxDefault;
    this.#bytesMax = limits.bytesMax ?? reapedBytesMaxDefault;
  }

  /**
   * Remembers what an earlier process stored, for all of its time again: nobody knows how long that has been down. Returns
   * how many records are damaged. Rejects with `StorageError`.
   *
   * Most partitions have none, and to open a cursor for each costs more than the rest of a node's start.
   */
  async load(engine: StorageEngine, partitions: Iterable<Partition>): Promise<number> {
    let damaged = 0;
    for (const partition of (await partitionsReaped(engine)) ?? partitions) {
      damaged += await this.#loadPartition(engine, partition);
    }
    return damaged;
  }

  /** How many are remembered, those included whose time is over and that nobody has asked for. */
  get size(): number {
    return this.#reaped.size;
  }

  /** Of keys and tombstones. */
  get byteLength(): number {
    return this.#byteLength;
  }

  get hasRoom(): boolean {
    if (!this.#isFull) return true;
    const wait = this.oldestMs;
    return wait !== undefined && wait <= 0;
  }

  /** In how many milliseconds the time of the oldest is over; undefined: nothing is remembered. */
  get oldestMs(): number | undefined {
    for (const { until } of this.#reaped.values()) return until - this.#clock.now();
    return undefined;
  }

  /**
   * Beside what is remembered of the key, unless it has seen that: an older tombstone that came late must not stand for the
   * newer one, and what the newer one has pruned must not come back. Stored by the batch. Where there was no room the oldest is
   * forgotten.
   */
  add(batch: WriteBatch, partition: Partition, key: ObjectKey, reaped: VersionedObject): void {
    if (this.#isFull) this.forgetOld(batch, 1);
    const before = this.of(partition, key);
    const tombstone =
      before === undefined || hasSeen(reaped.clock, before) ? reaped : mergeObjects(before, reaped);
    batch.put(key.reapedRecord(partition), tombstone.bytes);
    this.#set(nameOf(partition, key), byteStringOf(tombstone.bytes));
  }

  /** What was reaped of the key in this partition, if that was lately. */
  of(partition: Partition, key: ObjectKey): VersionedObject | undefined {
    if (this.#reaped.size === 0) return undefined;
    const reaped = this.#reaped.get(nameOf(partition, key));
    if (reaped === undefined || reaped.until <= this.#clock.now()) return undefined;
    return VersionedObject.decode(bufferOf(reaped.tombstone));
  }

  /** Those whose time is over, so many at most: the batch removes what is stored of them. */
  forgetOld(batch: WriteBatch, count: number): void {
    const now = this.#clock.now();
    for (const [name, { until }] of this.#reaped) {
      if (until > now || count === 0) return;
      this.#delete(name);
      batch.delete(recordOf(name));
      count -= 1;
    }
  }

  get #isFull(): boolean {
    return this.#reaped.size >= this.#versionsMax || this.#byteLength >= this.#bytesMax;
  }

  /** Returns how many records are damaged. */
  async #loadPartition(engine: StorageEngine, partition: Partition): Promise<number> {
    let damaged = 0;
    const corrupt = (): void => {
      damaged += 1;
    };
    const cursor = engine.scan(reapedRange(partition), { corrupt });
    try {
      let slice = await cursor.next(sliceLimits);
      for (; slice.length > 0; slice = await cursor.next(sliceLimits)) {
        for (const { key, value } of slice) {
          const named = ObjectKey.decode(key, prefixBytes, key.length);
          if (named === undefined || VersionedObject.tryDecode(value) === undefined) damaged += 1;
          else this.#set(nameOf(partition, named), byteStringOf(value));
        }
      }
    } finally {
      await cursor.close();
    }
    return damaged;
  }

  /** Behind those that came before: the map is in the order of time. */
  #set(name: ByteString, tombstone: ByteString): void {
    this.#delete(name);
    this.#reaped.set(name, { tombstone, until: this.#clock.now() + reapedMsMin });
    this.#byteLength += name.length + tombstone.length;
  }

  #delete(name: ByteString): void {
    const reaped = this.#reaped.get(name);
    if (reaped === undefined) return;
    this.#reaped.delete(name);
    this.#byteLength -= name.length + reaped.tombstone.length;
  }
}

/**
 * Of which something is stored that was reaped: a skip-scan, which reads one key of each partition that has any. Undefined:
 * some of the database cannot be read, and the walk has stepped over what lies there.
 */
async function partitionsReaped(engine: StorageEngine): Promise<readonly Partition[] | undefined> {
  const found: Partition[] = [];
  let isDamaged = false;
  const corrupt = (): void => {
    isDamaged = true;
  };
  const range = { from: reapedRange(0 as Partition).from, to: partitionsRange.to };
  const cursor = engine.scan(range, { keysOnly: true, entriesExpected: 1, corrupt });
  try {
    for (;;) {
      const [entry] = await cursor.next(oneEntry);
      if (entry === undefined) return isDamaged ? undefined : found;
      const { key } = entry;
      const partition = key.readUInt16BE(partitionAt) as Partition;
      if (key[sectionAt] === sectionReaped) found.push(partition);
      cursor.seek(
        key[sectionAt] < sectionReaped ? reapedRange(partition).from : partitionRange(partition).to,
      );
    }
  } finally {
    await cursor.close();
  }
}

function nameOf(partition: Partition, key: ObjectKey): ByteString {
  return byteStringOf(key.borrow(partition));
}

function recordOf(name: ByteString): Buffer {
  const record = bufferOf(name);
  record[sectionAt] = sectionReaped;
  return record;
}
