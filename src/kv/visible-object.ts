/** What of a stored object a bucket shows. */
import type { BucketProperties } from './bucket-properties.ts';
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

/** Whether a client would find something live. */
export function isLive(
  object: VersionedObject | undefined,
  properties: Pick<BucketProperties, 'allow_mult' | 'last_write_wins'>,
): object is VersionedObject {
  return object !== undefined && !visibleObject(object, properties).isTombstone;
}
