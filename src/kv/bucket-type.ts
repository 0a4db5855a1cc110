/**
 * Bucket types: a name above buckets, and the properties that its buckets have unless they have their own.
 *
 * A type is `created`, and then `active` for good: until then no request finds it, and it may be created anew with
 * other properties. Its properties are complete: the defaults are copied when it is created, so that a later change
 * of the configuration changes no type.
 */
import type { Buffer } from 'node:buffer';
import type { ByteString } from '../stdx/index.ts';
import type { BucketProperties, JsonValue, PropertyProblem } from './bucket-properties.ts';
import { propertiesToJson } from './property-rules.ts';
import { changesOfJson, jsonOfStored, overlaid, storedJson } from './stored-properties.ts';

export type BucketTypeStatus = 'created' | 'active';

export interface BucketType {
  readonly name: ByteString;
  readonly status: BucketTypeStatus;
  readonly properties: BucketProperties;
  /** What is registered cannot be read: its buckets take no writes until the type is updated. */
  readonly isDamaged: boolean;
}

/** Why a bucket type was not changed. */
export type BucketTypeRefusal =
  | {
      readonly reason:
        | 'no_such_type'
        | 'already_active'
        | 'not_active'
        /** `default` is no type that could be changed, and `any` is no name. */
        | 'reserved_name'
        | 'bad_name'
        | 'too_many_types'
        /** With all its objects. */
        | 'being_dropped'
        /** Some bucket of the type still holds a key. */
        | 'not_empty';
    }
  | { readonly reason: 'invalid_properties'; readonly problems: readonly PropertyProblem[] };

/** What a new type's properties are where its creator says nothing (spec of Riak 2.0: siblings are kept). */
export function typedDefaults(defaults: BucketProperties): BucketProperties {
  return { ...defaults, allow_mult: true, last_write_wins: false, dvv_enabled: true };
}

/** Throws `KvFailure` if it is too long to be registered. */
export function storedBucketType({ status, properties }: Pick<BucketType, 'status' | 'properties'>): Buffer {
  // Shown only where it is unusual; but what is usual may change.
  const { durability } = properties;
  return storedJson({ status, props: { ...propertiesToJson(properties), durability } });
}

/**
 * `defaults`: those of types. A damaged type counts as active, its siblings kept: nobody can tell whether it was, and
 * to say that it does not exist would invite somebody to create it anew.
 */
export function bucketTypeOfStored(name: ByteString, value: Buffer, defaults: BucketProperties): BucketType {
  const json = jsonOfStored(value);
  const { status, props } = membersOf(json);
  const changes = props === undefined ? undefined : changesOfJson(props);
  if ((status !== 'created' && status !== 'active') || changes === undefined) {
    return { name, status: 'active', properties: defaults, isDamaged: true };
  }
  return { name, status, properties: overlaid(defaults, changes), isDamaged: false };
}

function membersOf(json: JsonValue | undefined): { readonly [name: string]: JsonValue } {
  const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
  return isObject ? (json as { readonly [name: string]: JsonValue }) : {};
}
