/**
 * The properties that buckets have of their own, over the defaults of their type: registered, so that all nodes
 * have the same, and in memory, so that a request's lookup is one `Map` read.
 *
 * Where a bucket's properties are registered and cannot be read, the defaults must not take their place: one
 * write without `allow_mult` could replace siblings that the bucket was to keep. Such a bucket is read with
 * its siblings shown and refuses writes, until somebody sets or resets its properties. Better that than no
 * start.
 */
import { Buffer } from 'node:buffer';
import type { Log } from '../environment/index.ts';
import { type ByteString, byteLiteral, textOfBytes } from '../stdx/index.ts';
import type { BucketProperties, BucketPropertyChanges, JsonValue } from './bucket-properties.ts';
import { type BucketAddress, KvFailure } from './key-value-store.ts';
import { bucketOfPropertiesName, propertiesName, propertiesPrefix } from './properties-name.ts';
import { checkCombination, parsePropertyChanges, propertiesToJson } from './property-rules.ts';
import type { Registry } from './registry.ts';

/** Buckets with properties of their own: bounds memory, and what every node must hold later. */
export const customisedBucketsMax = 100_000;
/** One bucket's own properties as they are stored. With the number of buckets, this bounds their memory. */
export const propertiesBytesMax = 16 * 1024;
/** A change meets others' changes of the same bucket so often before it is given up. */
const conflictsMax = 8;

const defaultType = byteLiteral('default');

/** Stored properties that could not be read. */
export interface PropertyDamage {
  /** Buckets that refuse writes until their properties are set or reset. */
  readonly buckets: number;
  /** Places where the damage hides whose properties they were: those buckets have the defaults. */
  readonly unknown: number;
}

export interface PropertyStoreParts {
  readonly registry: Registry;
  readonly defaults: BucketProperties;
  readonly log: Log;
  /** Milliseconds that a change may take to be agreed. */
  readonly timeoutMs: number;
  /** Places where damage hides whose properties they were. */
  readonly unknownDamage?: number;
}

export class PropertyStore {
  /** Of buckets that have no properties of their own. */
  readonly defaults: BucketProperties;
  readonly #registry: Registry;
  readonly #log: Log;
  readonly #timeoutMs: number;
  readonly #unknownDamage: number;
  readonly #changes = new Map<ByteString, BucketPropertyChanges>();
  readonly #merged = new Map<ByteString, BucketProperties>();
  readonly #damaged = new Set<ByteString>();
  #changed: () => void = () => undefined;
  /** Changes are made one after another, so that those of one node never meet. */
  #lastChange: Promise<void> = Promise.resolve();

  constructor({ registry, defaults, log, timeoutMs, unknownDamage }: PropertyStoreParts) {
    this.#registry = registry;
    this.defaults = defaults;
    this.#log = log;
    this.#timeoutMs = timeoutMs;
    this.#unknownDamage = unknownDamage ?? 0;
    for (const name of registry.names(propertiesPrefix)) this.#load(name);
    if (this.#unknownDamage > 0) {
      log.error(
        'stored properties of unknown buckets cannot be read: these buckets have the defaults; ' +
          'check the properties of all buckets before they are written to',
        { places: this.#unknownDamage },
      );
    }
    registry.onChange((names) => {
      const ours = names.filter((name) => name.startsWith(propertiesPrefix));
      for (const name of ours) this.#load(name);
      if (ours.length > 0) this.#changed();
    });
  }

  /** Says who is told when properties have changed, whoever changed them. */
  onChange(changed: () => void): void {
    this.#changed = changed;
  }

  /** Undefined: there is no such bucket type. */
  of({ bucketType, bucket }: BucketAddress): BucketProperties | undefined {
    if (bucketType !== defaultType) return undefined;
    return this.#merged.get(bucket) ?? this.defaults;
  }

  /** Why writes to the bucket are refused; undefined if they are not. */
  damageOf({ bucket }: BucketAddress): string | undefined {
    if (!this.#damaged.has(bucket)) return undefined;
    return `the properties of bucket ${textOfBytes(bucket)} are damaged: set or reset them`;
  }

  /** Buckets with properties of their own, and all properties of each. */
  get customised(): Iterable<readonly [ByteString, BucketProperties]> {
    return this.#merged;
  }

  get damage(): PropertyDamage {
    return { buckets: this.#damaged.size, unknown: this.#unknownDamage };
  }

  set(address: BucketAddress, changes: BucketPropertyChanges): Promise<void> {
    return this.#change(address, () => {
      const before = this.#changes.get(address.bucket) ?? {};
      if (!this.#merged.has(address.bucket) && this.#merged.size >= customisedBucketsMax) {
        throw invalid('name', 'too_many_buckets_with_properties');
      }
      const after = mergeChanges(before, changes);
      const merged = { ...this.defaults, ...after };
      const problems = checkCombination(merged);
      if (problems.length > 0) throw new KvFailure({ code: 'invalid_properties', problems });
      const stored = Buffer.from(JSON.stringify(changesToJson(merged, after)), 'utf8');
      if (stored.length > propertiesBytesMax) throw invalid('props', 'too_long');
      return stored;
    });
  }

  reset(address: BucketAddress): Promise<void> {
    return this.#change(address, () => undefined);
  }

  /** `valueNow` is asked again when somebody else has changed the bucket meanwhile. */
  #change(address: BucketAddress, valueNow: () => Buffer | undefined): Promise<void> {
    const result = this.#lastChange.then(() => this.#register(propertiesName(address), valueNow));
    this.#lastChange = result.catch(() => {});
    return result;
  }

  async #register(name: ByteString, valueNow: () => Buffer | undefined): Promise<void> {
    for (let conflicts = 0; conflicts < conflictsMax; conflicts += 1) {
      const expected = this.#registry.get(name)?.revision ?? 0;
      const value = valueNow();
      if (value === undefined && expected === 0) return;
      const outcome = await this.#registry.propose([{ name, value, expected }], this.#timeoutMs);
      if (outcome.kind === 'failed') throw new KvFailure(outcome.error);
      this.#load(name);
      if (outcome.kind === 'applied') return;
    }
    throw new KvFailure({ code: 'overload' });
  }

  /** Takes over what the registry says of a bucket now. */
  #load(name: ByteString): void {
    const { bucket, bucketType } = bucketOfPropertiesName(name);
    if (bucketType !== defaultType) return;
    const entry = this.#registry.get(name);
    this.#changes.delete(bucket);
    this.#merged.delete(bucket);
    this.#damaged.delete(bucket);
    if (entry === undefined) return;
    const json = jsonOf(entry.value);
    const parsed = json === undefined ? undefined : parsePropertyChanges(json);
    if (parsed === undefined || 'problems' in parsed) {
      // A later version may have written what this one does not know.
      this.#markDamaged(bucket, entry.value.length === 0 ? 'unreadable' : 'not valid');
      return;
    }
    this.#changes.set(bucket, parsed.changes);
    this.#merged.set(bucket, { ...this.defaults, ...parsed.changes });
  }

  #markDamaged(bucket: ByteString, reason: string): void {
    this.#damaged.add(bucket);
    this.#merged.set(bucket, { ...this.defaults, allow_mult: true, last_write_wins: false });
    this.#log.error(
      'bucket properties cannot be read: the bucket refuses writes until they are set or reset',
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
