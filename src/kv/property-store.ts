/**
 * The properties that buckets have of their own, over the defaults of their type. All are in memory,
 * so that a request's lookup is one `Map` read; each change is durable before it is seen.
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

export class PropertyStore {
  readonly #commit: GroupCommit;
  readonly #defaults: BucketProperties;
  readonly #changes = new Map<ByteString, BucketPropertyChanges>();
  readonly #merged = new Map<ByteString, BucketProperties>();
  /** Changes are made one after another: each is checked against the result of the one before. */
  #lastChange: Promise<void> = Promise.resolve();

  private constructor(commit: GroupCommit, defaults: BucketProperties) {
    this.#commit = commit;
    this.#defaults = defaults;
  }

  static async open(commit: GroupCommit, defaults: BucketProperties, log: Log): Promise<PropertyStore> {
    const store = new PropertyStore(commit, defaults);
    // Better the defaults than no start.
    const cursor = commit.engine.scan(propertiesRange, {
      corrupt: (_key, error) =>
        log.error('stored bucket properties cannot be read; the defaults hold', { reason: error.message }),
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

  set(address: BucketAddress, changes: BucketPropertyChanges): Promise<void> {
    return this.#enqueue(async () => {
      const before = this.#changes.get(address.bucket) ?? {};
      if (!this.#changes.has(address.bucket) && this.#changes.size >= customisedBucketsMax) {
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
    });
  }

  reset(address: BucketAddress): Promise<void> {
    return this.#enqueue(async () => {
      if (!this.#changes.has(address.bucket)) return;
      await this.#write(address, undefined);
      this.#changes.delete(address.bucket);
      this.#merged.delete(address.bucket);
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
      // A later version may have written what this one does not know: better the defaults than no start.
      log.error('stored bucket properties are not valid; the defaults hold', { bucket: textOfBytes(bucket) });
      return;
    }
    this.#changes.set(bucket, parsed.changes);
    this.#merged.set(bucket, { ...this.#defaults, ...parsed.changes });
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
