/**
 * The properties that buckets have of their own, over the defaults of their type. All are in memory,
 * so that a request's lookup is one `Map` read; each change is durable before it is seen.
 *
 * Where a bucket's properties were stored and cannot be read, the defaults must not take their place: one
 * write without `allow_mult` could replace siblings that the bucket was to keep. Such a bucket is read with
 * its siblings shown and refuses writes, until somebody sets or resets its properties. Better that than no
 * start.
 */
import { Buffer } from 'node:buffer';
import type { Log } from '../environment/index.ts';
import { type ByteString, byteLiteral, textOfBytes } from '../stdx/index.ts';
import type { GroupCommit } from '../storage/index.ts';
import type { BucketProperties, BucketPropertyChanges, JsonValue } from './bucket-properties.ts';
import { type BucketAddress, KvFailure } from './key-value-store.ts';
import { checkCombination, parsePropertyChanges, propertiesToJson } from './property-rules.ts';
import { bucketOfPropertiesKey, propertiesKey, propertiesRange } from './vnode/key-layout.ts';

/** Buckets with properties of their own: bounds memory, and what every node must hold later. */
export const customisedBucketsMax = 100_000;
/** One bucket's own properties as they are stored. With the number of buckets, this bounds their memory. */
export const propertiesBytesMax = 16 * 1024;
const loadSlice = { entriesMax: 1000, bytesMax: 4 * 1024 * 1024 };

const defaultType = byteLiteral('default');

/** Stored properties that could not be read. */
export interface PropertyDamage {
  /** Buckets that refuse writes until their properties are set or reset. */
  readonly buckets: number;
  /** Places where the damage hides whose properties they were: those buckets have the defaults. */
  readonly unknown: number;
}

export class PropertyStore {
  readonly #commit: GroupCommit;
  readonly #defaults: BucketProperties;
  readonly #changes = new Map<ByteString, BucketPropertyChanges>();
  readonly #merged = new Map<ByteString, BucketProperties>();
  readonly #damaged = new Set<ByteString>();
  #unknownDamage = 0;
  /** Changes are made one after another: each is checked against the result of the one before. */
  #lastChange: Promise<void> = Promise.resolve();

  private constructor(commit: GroupCommit, defaults: BucketProperties) {
    this.#commit = commit;
    this.#defaults = defaults;
  }

  static async open(commit: GroupCommit, defaults: BucketProperties, log: Log): Promise<PropertyStore> {
    const store = new PropertyStore(commit, defaults);
    const cursor = commit.engine.scan(propertiesRange, {
      corrupt: (key, error) => store.#markDamaged(key, error.message, log),
    });
    try {
      for (;;) {
        const entries = await cursor.next(loadSlice);
        if (entries.length === 0) return store;
        for (const { key, value } of entries) store.#load(key, value, log);
      }
    } finally {
      await cursor.close();
    }
  }

  /** Undefined: there is no such bucket type. */
  of({ bucketType, bucket }: BucketAddress): BucketProperties | undefined {
    if (bucketType !== defaultType) return undefined;
    return this.#merged.get(bucket) ?? this.#defaults;
  }

  /** Why writes to the bucket are refused; undefined if they are not. */
  damageOf({ bucket }: BucketAddress): string | undefined {
    if (!this.#damaged.has(bucket)) return undefined;
    return `the properties of bucket ${textOfBytes(bucket)} are damaged: set or reset them`;
  }

  get damage(): PropertyDamage {
    return { buckets: this.#damaged.size, unknown: this.#unknownDamage };
  }

  set(address: BucketAddress, changes: BucketPropertyChanges): Promise<void> {
    return this.#enqueue(async () => {
      const before = this.#changes.get(address.bucket) ?? {};
      if (!this.#merged.has(address.bucket) && this.#merged.size >= customisedBucketsMax) {
        throw invalid('name', 'too_many_buckets_with_properties');
      }
      const after = mergeChanges(before, changes);
      const merged = { ...this.#defaults, ...after };
      const problems = checkCombination(merged);
      if (problems.length > 0) throw new KvFailure({ code: 'invalid_properties', problems });
      const stored = Buffer.from(JSON.stringify(changesToJson(merged, after)), 'utf8');
      if (stored.length > propertiesBytesMax) throw invalid('props', 'too_long');
      await this.#write(address, stored);
      this.#changes.set(address.bucket, after);
      this.#merged.set(address.bucket, merged);
      this.#damaged.delete(address.bucket);
    });
  }

  reset(address: BucketAddress): Promise<void> {
    return this.#enqueue(async () => {
      if (!this.#merged.has(address.bucket)) return;
      await this.#write(address, undefined);
      this.#changes.delete(address.bucket);
      this.#merged.delete(address.bucket);
      this.#damaged.delete(address.bucket);
    });
  }

  #enqueue(change: () => Promise<void>): Promise<void> {
    const result = this.#lastChange.then(change);
    this.#lastChange = result.catch(() => {});
    return result;
  }

  #write(address: BucketAddress, value: Buffer | undefined): Promise<void> {
    const key = propertiesKey(address);
    return new Promise((resolve, reject) => {
      this.#commit.write(
        'synced',
        (batch) => (value === undefined ? batch.delete(key) : batch.put(key, value)),
        (error) =>
          error === undefined ? resolve() : reject(new KvFailure({ code: 'storage', reason: error.message })),
      );
    });
  }

  #load(key: Buffer, value: Buffer, log: Log): void {
    const { bucket } = bucketOfPropertiesKey(key);
    const json = jsonOf(value);
    const parsed = json === undefined ? undefined : parsePropertyChanges(json);
    if (parsed === undefined || 'problems' in parsed) {
      // A later version may have written what this one does not know.
      this.#markDamaged(key, 'not valid', log);
      return;
    }
    this.#changes.set(bucket, parsed.changes);
    this.#merged.set(bucket, { ...this.#defaults, ...parsed.changes });
  }

  #markDamaged(key: Buffer | undefined, reason: string, log: Log): void {
    if (key === undefined) {
      this.#unknownDamage += 1;
      log.error(
        'stored properties of unknown buckets cannot be read: these buckets have the defaults; ' +
          'check the properties of all buckets before they are written to',
        { reason },
      );
      return;
    }
    const { bucket } = bucketOfPropertiesKey(key);
    this.#damaged.add(bucket);
    this.#merged.set(bucket, { ...this.#defaults, allow_mult: true, last_write_wins: false });
    log.error(
      'stored bucket properties cannot be read: the bucket refuses writes until they are set or reset',
      {
        bucket: textOfBytes(bucket),
        reason,
      },
    );
  }
}

function jsonOf(value: Buffer): JsonValue | undefined {
  try {
    return JSON.parse(value.toString('utf8')) as JsonValue;
  } catch {
    return undefined;
  }
}

function mergeChanges(before: BucketPropertyChanges, changes: BucketPropertyChanges): BucketPropertyChanges {
  if (before.custom === undefined || changes.custom === undefined) return { ...before, ...changes };
  return { ...before, ...changes, custom: new Map([...before.custom, ...changes.custom]) };
}

/** Only what the bucket changed, so that a later change of the defaults reaches it. */
function changesToJson(merged: BucketProperties, changes: BucketPropertyChanges): Record<string, JsonValue> {
  const all = new Map(Object.entries(propertiesToJson(merged)));
  const own = Object.keys(changes).filter((property) => property !== 'custom');
  if (changes.durability !== undefined) all.set('durability', changes.durability);
  const entries = own.map((property): [string, JsonValue] => [property, all.get(property) ?? null]);
  return Object.fromEntries([...entries, ...(changes.custom ?? new Map<string, JsonValue>())]);
}

function invalid(property: string, reason: string): KvFailure {
  return new KvFailure({ code: 'invalid_properties', problems: [{ property, reason }] });
}
