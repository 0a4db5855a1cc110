/** What of a stored object a bucket shows. */
import { datatypeOf, legacyCounter } from './bucket-datatype.ts';
import type { BucketProperties } from './bucket-properties.ts';
import { withDatatypeJoined } from './datatype/index.ts';
import { collapse, type VersionedObject, withoutTwins } from './object/index.ts';

/**
 * Buckets without siblings show the content that was modified last. Replicas keep the others, so that
 * their merge stays a join; whatever asks "is it there?" must ask of what is shown.
 */
export function visibleObject(
  object: VersionedObject,
  { allow_mult, last_write_wins }: Pick<BucketProperties, 'allow_mult' | 'last_write_wins'>,
): VersionedObject {
  const showsSiblings = allow_mult && !last_write_wins;
  if (object.siblingCount === 1) return object;
  return showsSiblings ? withoutTwins(object) : collapse(object);
}

/**
 * The same for who is going to see the values: data types that were updated concurrently are one value, also to a plain
 * read. A bucket that has siblings may have counters among them.
 */
export function shownObject(object: VersionedObject, properties: BucketProperties): VersionedObject {
  if (object.siblingCount === 1 || !properties.allow_mult) return visibleObject(object, properties);
  const { type } = datatypeOf(properties) ?? legacyCounter;
  return visibleObject(withDatatypeJoined(object, type), properties);
}

/** Whether a client would find something live. */
export function isLive(
  object: VersionedObject | undefined,
  properties: Pick<BucketProperties, 'allow_mult' | 'last_write_wins'>,
): object is VersionedObject {
  return object !== undefined && !visibleObject(object, properties).isTombstone;
}
