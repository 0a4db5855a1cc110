/**
 * The feeds of this node's vnodes: for each key of a bucket that asks for it, one entry that says when it was changed
 * last, in the order of the changes.
 *
 * E1  An entry is in the batch of the change it tells of: it is there, and as durable, exactly when the change is.
 * E2  A key has one entry in a partition, that of its newest change (but for one that a failed batch, or a place that could not
 *     be read, left behind). So a feed is as long as the bucket, and whoever reads it from its beginning meets every key.
 * E3  Places grow: what becomes visible later stands behind all that was visible before. A place is given out once.
 * E4  Of a key whose object is gone the entry stays: it says that the key was deleted.
 * E5  Where entries were lost that a reader may have had yet to read (the partition was dropped, or trimmed), the floor of
 *     the partition says from which place on it is complete.
 *
 * Writes to other buckets cost one look at a flag, and where some bucket has a feed one look-up of properties.
 */
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { Clock, Random } from '../../environment/index.ts';
import { type ByteString, bufferOf, byteStringOf } from '../../stdx/index.ts';
import { type GroupCommit, type StorageEngine, StorageError, type WriteBatch } from '../../storage/index.ts';
import type { BucketAddress, ObjectAddress } from '../key-value-store.ts';
import { type VersionedObject, versionDigest, versionDigestBytes } from '../object/index.ts';
import { feedFloorKey, nodeFactKey, type ObjectKey } from '../vnode/index.ts';
import {
  counterOfPlace,
  type FeedRun,
  feedPlace,
  feedPlaceBytes,
  feedRun,
  nextRunNumber,
  numberOfRun,
  runOfPlace,
} from './feed-place.ts';
import type { FeedSignals } from './feed-signals.ts';
import { FeedTail, type TailEntry } from './feed-tail.ts';

/** What is known of an entry besides its place and key. */
export interface FeedEntryValue {
  /** When the change came to this node, by its wall clock. */
  readonly micros: number;
  /** Of the version that was stored. */
  readonly digest: ByteString;
}

/** To be handed back when it is committed. */
export interface AppendedEntry extends FeedEntryValue {
  readonly counter: number;
}

const microsBytes = 8;
const entryValueBytes = microsBytes + versionDigestBytes;
const runFactPrefix = 'feed-run/';
/** Runs of which places are told from unknown ones. Who comes with an older place begins anew. */
const runsMax = 1000;
/** Buckets whose newest places are in memory; beyond, all are forgotten, and every partition is looked into once. */
const headsMax = 10_000;
/** Entries in memory, of all feeds. */
const tailEntriesMax = 4096;

/** Which buckets have a feed. */
export interface KeptFeeds {
  /** Some bucket has. */
  readonly hasFeeds: boolean;
  keepsFeed(bucket: BucketAddress): boolean;
}

export interface FeedEntriesParts {
  readonly commit: GroupCommit;
  readonly clock: Pick<Clock, 'wallMicros'>;
  readonly random: Pick<Random, 'u32'>;
  readonly signals: FeedSignals;
  readonly kept: KeptFeeds;
}

type Heads = Map<Partition, number>;

export class FeedEntries {
  readonly #commit: GroupCommit;
  readonly #clock: Pick<Clock, 'wallMicros'>;
  readonly #random: Pick<Random, 'u32'>;
  readonly #signals: FeedSignals;
  /** Known runs of this node, by their numbers. */
  readonly #runs = new Map<number, FeedRun>();
  readonly #kept: KeptFeeds;
  /** That of this process, when it has begun. */
  #run: FeedRun | undefined;
  #counter = 0;
  #committed = 0;
  readonly #heads = new Map<ByteString, Heads>();
  readonly #tail = new FeedTail(tailEntriesMax);
  /** What is not in `#heads` may have a place up to here. */
  #headsFrom = 0;
  #used: () => void = () => {};
  /** The run is on disk, or in a batch before any that needs it. */
  #isRecorded = false;

  private constructor({ commit, clock, random, signals, kept }: FeedEntriesParts) {
    this.#commit = commit;
    this.#clock = clock;
    this.#random = random;
    this.#signals = signals;
    this.#kept = kept;
  }

  /** Rejects with `StorageError`. */
  static async open(parts: FeedEntriesParts): Promise<FeedEntries> {
    const entries = new FeedEntries(parts);
    parts.commit.engine.onDoubt?.(() => entries.writeFailed());
    for (const run of await storedRuns(parts.commit.engine)) entries.#runs.set(numberOfRun(run), run);
    return entries;
  }

  /** Calls `used` when this node has, or may have, an entry: perhaps at once. */
  onUsed(used: () => void): void {
    this.#used = used;
    if (this.#runs.size > 0) used();
  }

  /** Cheap while no bucket has a feed. */
  keeps(key: ObjectKey): boolean {
    return this.#kept.hasFeeds && this.#kept.keepsFeed(key.address);
  }

  keepsOf(bucket: BucketAddress): boolean {
    return this.#kept.hasFeeds && this.#kept.keepsFeed(bucket);
  }

  /**
   * Adds to the batch what tells of the change; undefined: the object is gone. What it returns is to be handed to
   * `written` when the batch has been committed. Only for buckets that have a feed.
   */
  append(
    batch: WriteBatch,
    partition: Partition,
    key: ObjectKey,
    object: VersionedObject | undefined,
  ): AppendedEntry {
    const run = this.#run ?? this.#begin();
    if (!this.#isRecorded) this.#record(batch, run);
    this.#counter += 1;
    const counter = this.#counter;
    const place = bufferOf(feedPlace(run, counter));
    const placeKey = key.feedPlace(partition);
    const before = this.#placeBefore(placeKey);
    if (before !== undefined && before.length >= feedPlaceBytes) {
      batch.delete(key.feedEntry(partition, before.subarray(0, feedPlaceBytes)));
    }
    const value = Buffer.alloc(entryValueBytes);
    const micros = this.#clock.wallMicros();
    value.writeBigUInt64BE(BigInt(micros), 0);
    if (object !== undefined) value.set(versionDigest(object), microsBytes);
    batch.put(key.feedEntry(partition, place), value);
    batch.put(placeKey, Buffer.concat([place, value]));
    return { counter, micros, digest: byteStringOf(value, microsBytes) };
  }

  /** Undefined also where it cannot be read: the entry that stands there stays behind (E2), and the write goes on. */
  #placeBefore(placeKey: Buffer): Buffer | undefined {
    try {
      return this.#commit.get(placeKey);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return undefined;
    }
  }

  /** The batch with that entry is visible. */
  written(partition: Partition, address: ObjectAddress, entry: AppendedEntry): void {
    const name = bucketName(address);
    const { counter } = entry;
    this.#tail.add({ ...entry, bucket: name, partition, key: address.key });
    let heads = this.#heads.get(name);
    if (heads === undefined) {
      if (this.#heads.size >= headsMax) {
        this.#heads.clear();
        this.#headsFrom = counter;
      }
      heads = new Map();
      this.#heads.set(name, heads);
    }
    heads.set(partition, counter);
    this.#committed = Math.max(this.#committed, counter);
    this.#signals.changed(name);
  }

  /** A batch with entries was not written, or the engine was repaired: what is known of the disk is in doubt. */
  writeFailed(): void {
    this.#isRecorded = false;
  }

  /** The object went to its owner, which tells of it: no entry stays behind. */
  forget(batch: WriteBatch, partition: Partition, key: ObjectKey): void {
    const placeKey = key.feedPlace(partition);
    const place = this.#commit.get(placeKey);
    if (place === undefined) return;
    batch.delete(placeKey);
    if (place.length >= feedPlaceBytes) {
      batch.delete(key.feedEntry(partition, place.subarray(0, feedPlaceBytes)));
    }
  }

  /** The entry at this place goes, and whoever has not seen it hears of a gap. */
  trim(batch: WriteBatch, partition: Partition, key: ObjectKey, place: Buffer): void {
    batch.delete(key.feedEntry(partition, place));
    const placeKey = key.feedPlace(partition);
    const present = this.#commit.get(placeKey)?.subarray(0, feedPlaceBytes);
    // A later entry tells of the key: this one was left behind by a batch that failed.
    if (present !== undefined && !present.equals(place)) return;
    if (present !== undefined) batch.delete(placeKey);
    const floorKey = feedFloorKey(partition);
    const floor = this.#commit.get(floorKey);
    if (floor === undefined || floor.compare(place) < 0) batch.put(floorKey, place);
  }

  /**
   * All of the partition is gone: to be called for a batch that is written after that, and before it is used again.
   * What it returns is to be handed to `wasDropped`.
   */
  dropped(batch: WriteBatch, partition: Partition): number {
    if (this.#runs.size === 0) return 0;
    const run = this.#run ?? this.#begin();
    if (!this.#isRecorded) this.#record(batch, run);
    // Behind all that was given out: what happens to the partition elsewhere, before it is back, will not be told here.
    this.#counter += 1;
    batch.put(feedFloorKey(partition), bufferOf(feedPlace(run, this.#counter)));
    return this.#counter;
  }

  /** That batch is visible. Every reader looks once, and hears of the gap. */
  wasDropped(counter: number): void {
    if (counter === 0) return;
    this.#committed = Math.max(this.#committed, counter);
    this.#heads.clear();
    this.#headsFrom = this.#committed;
  }

  /** Everything that is visible now stands at this place or before it. */
  now(): ByteString {
    const run = this.#run ?? this.#begin();
    // Else a reader who waits through a restart would find its place unknown, and begin anew.
    if (!this.#isRecorded) {
      this.#commit.write(
        'os',
        (batch) => this.#record(batch, run),
        (error) => {
          if (error !== undefined) this.writeFailed();
        },
      );
    }
    return feedPlace(run, this.#committed);
  }

  /** Whether this node gave the place out, as far as it remembers. */
  isKnown(place: ByteString): boolean {
    const run = runOfPlace(place);
    return this.#runs.get(numberOfRun(run)) === run;
  }

  /** What was committed behind the place, if that is of late; undefined: only the disk knows. */
  newest(partition: Partition, bucket: BucketAddress, after: ByteString): readonly TailEntry[] | undefined {
    if (this.#run === undefined || after === '' || runOfPlace(after) !== this.#run) return undefined;
    return this.#tail.after(bucketName(bucket), partition, counterOfPlace(after));
  }

  /** Where an entry of this run stands. */
  placeOf({ counter }: TailEntry): ByteString {
    return feedPlace(this.#run ?? this.#begin(), counter);
  }

  /** False: there is nothing behind the place, for sure. */
  mayHaveNews(partition: Partition, bucket: BucketAddress, after: ByteString): boolean {
    if (this.#run === undefined || after === '' || runOfPlace(after) !== this.#run) return true;
    const head = this.#heads.get(bucketName(bucket))?.get(partition) ?? this.#headsFrom;
    return head > counterOfPlace(after);
  }

  /** From which place on the partition is complete; undefined: from the beginning. Throws `StorageError`. */
  floorOf(partition: Partition): ByteString | undefined {
    const floor = this.#commit.engine.get(feedFloorKey(partition));
    return floor && byteStringOf(floor);
  }

  #begin(): FeedRun {
    let last = 0;
    for (const number of this.#runs.keys()) last = Math.max(last, number);
    const run = feedRun(nextRunNumber(last), this.#random.u32());
    this.#run = run;
    this.#runs.set(numberOfRun(run), run);
    this.#used();
    return run;
  }

  /** In a batch no later than that of its first entry. */
  #record(batch: WriteBatch, run: FeedRun): void {
    this.#isRecorded = true;
    batch.put(runKey(run), bufferOf(run));
    for (const [number, old] of this.#runs) {
      if (this.#runs.size <= runsMax) return;
      batch.delete(runKey(old));
      this.#runs.delete(number);
    }
  }
}

export function bucketName({ bucketType, bucket }: BucketAddress): ByteString {
  return `${bucketType}\0${bucket}` as ByteString;
}

/** Undefined: it is damaged. */
export function decodeEntryValue(value: Buffer): FeedEntryValue | undefined {
  if (value.length !== entryValueBytes) return undefined;
  return { micros: Number(value.readBigUInt64BE(0)), digest: byteStringOf(value, microsBytes) };
}

function runKey(run: FeedRun): Buffer {
  return nodeFactKey(`${runFactPrefix}${numberOfRun(run).toString(16).padStart(8, '0')}`);
}

async function storedRuns(engine: StorageEngine): Promise<FeedRun[]> {
  const from = nodeFactKey(runFactPrefix);
  const to = Buffer.from(from);
  to[to.length - 1]! += 1;
  const cursor = engine.scan({ from, to }, { corrupt: () => {} });
  const runs: FeedRun[] = [];
  const limits = { entriesMax: 1000, bytesMax: 1024 * 1024 };
  try {
    for (let found = await cursor.next(limits); found.length > 0; found = await cursor.next(limits)) {
      for (const { value } of found) if (value.length === 8) runs.push(byteStringOf(value));
    }
  } finally {
    await cursor.close();
  }
  return runs;
}
