/**
 * The properties of all buckets: those of their type, and over them those that a bucket has of its own. Registered,
 * so that all nodes have the same, and in memory, so that a request's lookup is one or two `Map` reads.
 */
import type { Buffer } from 'node:buffer';
import type { Log } from '../environment/index.ts';
import { type ByteString, byteLiteral, textOfBytes } from '../stdx/index.ts';
import { BackendChoice, backendProblems, type StorageBackends } from './backend-rules.ts';
import type { BucketProperties, BucketPropertyChanges } from './bucket-properties.ts';
import { checkUpdate } from './bucket-type-rules.ts';
import { BucketTypes } from './bucket-types.ts';
import { chunkSpaceProperties, chunkType } from './chunk-space.ts';
import { DropMarks } from './drops/drop-marks.ts';
import { type BucketAddress, KvFailure } from './key-value-store.ts';
import {
  bucketOfPropertiesName,
  bucketTypesPrefix,
  propertiesName,
  propertiesPrefix,
  propertiesPrefixOf,
  typeOfBucketTypeName,
} from './properties-name.ts';
import { PropertyOverrides } from './property-overrides.ts';
import { RegisteredChanges } from './registered-changes.ts';
import type { Registry } from './registry.ts';
import { changesToJson, mergeChanges, overlaid, storedJson } from './stored-properties.ts';

/**
 * Buckets with properties of their own: bounds memory, and what every node must hold. Below what the registry takes, which
 * needs room for bucket types and for drops.
 */
export const customisedBucketsMax = 60_000;

const defaultType = byteLiteral('default');

/** Stored properties that could not be read. */
export interface PropertyDamage {
  /** Buckets, and bucket types, that refuse writes until their properties are set or reset. */
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
  /** Absent: one engine holds all buckets. */
  readonly backends?: StorageBackends | undefined;
}

export class PropertyStore {
  readonly types: BucketTypes;
  readonly drops: DropMarks;
  readonly #registry: Registry;
  readonly #registered: RegisteredChanges;
  readonly #log: Log;
  readonly #unknownDamage: number;
  readonly #backends: StorageBackends | undefined;
  readonly #backendChoice: BackendChoice | undefined;
  readonly #untyped: PropertyOverrides;
  /** Of active types. */
  readonly #typed = new Map<ByteString, PropertyOverrides>();
  #changed: () => void = () => undefined;
  /** Whether some bucket has a feed; undefined: to be found out. */
  #hasFeeds: boolean | undefined;

  constructor({ registry, defaults, log, timeoutMs, unknownDamage, backends }: PropertyStoreParts) {
    this.#registry = registry;
    this.#registered = new RegisteredChanges(registry, timeoutMs);
    this.#log = log;
    this.drops = new DropMarks(registry, timeoutMs);
    this.#unknownDamage = unknownDamage ?? 0;
    this.types = new BucketTypes({
      registry,
      changes: this.#registered,
      defaults,
      log,
      backends,
      isBeingDropped: (name) => this.drops.hasType(name),
    });
    this.#untyped = new PropertyOverrides(defaults);
    for (const { name, status, properties } of this.types.list()) {
      if (status === 'active') this.#typed.set(name, new PropertyOverrides(properties));
    }
    this.#typed.set(chunkType, new PropertyOverrides(chunkSpaceProperties(defaults)));
    for (const name of registry.names(propertiesPrefix)) {
      if (!name.startsWith(bucketTypesPrefix)) this.#loadBucket(name);
    }
    if (this.#unknownDamage > 0) {
      log.error(
        'stored properties of unknown buckets cannot be read: these buckets have the defaults; ' +
          'check the properties of all buckets before they are written to',
        { places: this.#unknownDamage },
      );
    }
    this.#backends = backends;
    this.#backendChoice = backends && new BackendChoice(backends, log);
    this.#backendChoice?.propertiesChanged(this.levels());
    registry.onChange((names) => this.#take(names));
  }

  /** Says who is told when properties have changed, whoever changed them. */
  onChange(changed: () => void): void {
    this.#changed = changed;
  }

  /** Undefined: there is no such bucket type, or it is not active. */
  of({ bucketType, bucket }: BucketAddress): BucketProperties | undefined {
    return this.#overridesOf(bucketType)?.of(bucket);
  }

  /** Why writes to the bucket are refused; undefined if they are not. */
  damageOf({ bucketType, bucket }: BucketAddress): string | undefined {
    if (this.#overridesOf(bucketType)?.isDamaged(bucket)) {
      return `the properties of bucket ${textOfBytes(bucket)} are damaged: set or reset them`;
    }
    if (bucketType !== defaultType && this.types.get(bucketType)?.isDamaged) {
      return `the bucket type ${textOfBytes(bucketType)} is damaged: update it`;
    }
    return undefined;
  }

  /** Some bucket keeps a change feed. */
  get hasFeeds(): boolean {
    this.#hasFeeds ??= this.#findFeeds();
    return this.#hasFeeds;
  }

  keepsFeed(address: BucketAddress): boolean {
    return this.of(address)?.feed ?? false;
  }

  /** The properties of untyped buckets, and of each active type's. */
  *levels(): Iterable<readonly [bucketType: ByteString, PropertyOverrides]> {
    yield [defaultType, this.#untyped];
    yield* this.#typed;
  }

  get damage(): PropertyDamage {
    let buckets = this.types.damaged;
    for (const [, overrides] of this.levels()) buckets += overrides.damaged;
    return { buckets, unknown: this.#unknownDamage };
  }

  async set(address: BucketAddress, changes: BucketPropertyChanges): Promise<void> {
    await this.#change(address, (overrides) => {
      const { bucket } = address;
      if (!overrides.has(bucket) && this.#customised() >= customisedBucketsMax) {
        const problems = [{ property: 'name', reason: 'too_many_buckets_with_properties' }];
        throw new KvFailure({ code: 'invalid_properties', problems });
      }
      const own = mergeChanges(overrides.changesOf(bucket), changes);
      const merged = overlaid(overrides.base, own);
      const before = overrides.of(bucket);
      const problems = [...checkUpdate(before, merged), ...backendProblems(before, merged, this.#backends)];
      if (problems.length > 0) throw new KvFailure({ code: 'invalid_properties', problems });
      return storedJson(changesToJson(merged, own));
    });
  }

  async reset(address: BucketAddress): Promise<void> {
    await this.#change(address, () => undefined);
  }

  async #change(
    address: BucketAddress,
    valueNow: (overrides: PropertyOverrides) => Buffer | undefined,
  ): Promise<void> {
    const name = propertiesName(address);
    await this.#registered.change(name, () => {
      const overrides = this.#overridesOf(address.bucketType);
      if (overrides === undefined) {
        const bucketType = textOfBytes(address.bucketType);
        throw new KvFailure({ code: 'unknown_bucket_type', bucketType });
      }
      this.#loadBucket(name);
      return valueNow(overrides);
    });
    this.#loadBucket(name);
  }

  #overridesOf(bucketType: ByteString): PropertyOverrides | undefined {
    return bucketType === defaultType ? this.#untyped : this.#typed.get(bucketType);
  }

  #findFeeds(): boolean {
    for (const [, { base, customised }] of this.levels()) {
      if (base.feed) return true;
      for (const { feed } of customised.values()) if (feed) return true;
    }
    return false;
  }

  #customised(): number {
    let count = 0;
    for (const [, { customised }] of this.levels()) count += customised.size;
    return count;
  }

  #take(names: readonly ByteString[]): void {
    const ours = names.filter((name) => name.startsWith(propertiesPrefix));
    // Types first: a bucket's own properties lie over them.
    for (const name of ours) {
      const type = typeOfBucketTypeName(name);
      if (type !== undefined) this.#loadType(type);
    }
    for (const name of ours) if (!name.startsWith(bucketTypesPrefix)) this.#loadBucket(name);
    if (ours.length === 0) return;
    this.#backendChoice?.propertiesChanged(this.levels());
    this.#changed();
  }

  #loadType(name: ByteString): void {
    this.#hasFeeds = undefined;
    this.types.load(name);
    const type = this.types.get(name);
    if (type?.status !== 'active') {
      this.#typed.delete(name);
      return;
    }
    this.#typed.set(name, new PropertyOverrides(type.properties));
    for (const bucketName of this.#registry.names(propertiesPrefixOf(name))) this.#loadBucket(bucketName);
  }

  /** Takes over what the registry says of a bucket now. Of a type that is not known: nobody asks for it. */
  #loadBucket(name: ByteString): void {
    this.#hasFeeds = undefined;
    const { bucket, bucketType } = bucketOfPropertiesName(name);
    const entry = this.#registry.get(name);
    if (this.#overridesOf(bucketType)?.load(bucket, entry?.value) !== false) return;
    this.#log.error(
      'bucket properties cannot be read: the bucket refuses writes until they are set or reset',
      {
        bucketType: textOfBytes(bucketType),
        bucket: textOfBytes(bucket),
        reason: entry?.value.length === 0 ? 'unreadable' : 'not valid',
      },
    );
  }
}
