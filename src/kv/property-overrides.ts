/**
 * The buckets of one type that have properties of their own, over what the type gives. A lookup is one `Map` read.
 *
 * Where a bucket's properties are registered and cannot be read, those of the type must not take their place: one
 * write without `allow_mult` could replace siblings that the bucket was to keep. Such a bucket is read with its
 * siblings shown and refuses writes, until somebody sets or resets its properties. Better that than no start.
 */
import type { Buffer } from 'node:buffer';
import type { ByteString } from '../stdx/index.ts';
import type { BucketProperties, BucketPropertyChanges } from './bucket-properties.ts';
import { changesOfJson, jsonOfStored, overlaid } from './stored-properties.ts';

export class PropertyOverrides {
  /** Of buckets that have no properties of their own. */
  readonly base: BucketProperties;
  readonly #changes = new Map<ByteString, BucketPropertyChanges>();
  readonly #merged = new Map<ByteString, BucketProperties>();
  readonly #damaged = new Set<ByteString>();

  constructor(base: BucketProperties) {
    this.base = base;
  }

  of(bucket: ByteString): BucketProperties {
    return this.#merged.get(bucket) ?? this.base;
  }

  /** What the bucket has of its own. */
  changesOf(bucket: ByteString): BucketPropertyChanges {
    return this.#changes.get(bucket) ?? {};
  }

  has(bucket: ByteString): boolean {
    return this.#merged.has(bucket);
  }

  isDamaged(bucket: ByteString): boolean {
    return this.#damaged.has(bucket);
  }

  /** Buckets with properties of their own, and all properties of each. */
  get customised(): ReadonlyMap<ByteString, BucketProperties> {
    return this.#merged;
  }

  get damaged(): number {
    return this.#damaged.size;
  }

  /** `value`: what is registered of the bucket now. False: it is damaged, or of a later version that knows more. */
  load(bucket: ByteString, value: Buffer | undefined): boolean {
    this.#changes.delete(bucket);
    this.#merged.delete(bucket);
    this.#damaged.delete(bucket);
    if (value === undefined) return true;
    const changes = changesOfJson(jsonOfStored(value));
    if (changes === undefined) {
      this.#damaged.add(bucket);
      this.#merged.set(bucket, { ...this.base, allow_mult: true, last_write_wins: false });
      return false;
    }
    this.#changes.set(bucket, changes);
    this.#merged.set(bucket, overlaid(this.base, changes));
    return true;
  }
}
