/** What of a stored object a bucket shows. */
import { datatypeOf, legacyCounter } from './bucket-datatype.ts';
import type { BucketProperties } from './bucket-properties.ts';
import { withDatatypeJoined } from './datatype/index.ts';
import { collapse, type VersionedObject, withoutExpired, withoutTwins } from './object/index.ts';

type Visibility = Pick<BucketProperties, 'allow_mult' | 'last_write_wins'>;

/**
 * Buckets without siblings show the content that was modified last. Replicas keep the others, so that
 * their merge stays a join; whatever asks "is it there?" must ask of what is shown.
 *
 * What has expired by `nowMicros` is not shown. It is left out last: where one content stands for all, an older one must
 * not come back when that has expired.
 */
function visibleObject(object: VersionedObject, properties: Visibility, nowMicros: number): VersionedObject {
  const shown = object.siblingCount === 1 ? object : visibleSiblings(object, properties);
  return shown.mayExpire ? withoutExpired(shown, nowMicros) : shown;
}

function visibleSiblings(
  object: VersionedObject,
  { allow_mult, last_write_wins }: Visibility,
): VersionedObject {
  const showsSiblings = allow_mult && !last_write_wins;
  return showsSiblings ? withoutTwins(object) : collapse(object);
}

/**
 * The same for who is going to see the values: data types that were updated concurrently are one value, also to a plain
 * read. A bucket that has siblings may have counters among them.
 */
export function shownObject(
  object: VersionedObject,
  properties: BucketProperties,
  nowMicros: number,
): VersionedObject {
  if (object.siblingCount === 1 || !properties.allow_mult)
    return visibleObject(object, properties, nowMicros);
  const { type } = datatypeOf(properties) ?? legacyCounter;
  return visibleObject(withDatatypeJoined(object, type), properties, nowMicros);
}

/** Whether a client would find something live. */
export function isLive(
  object: VersionedObject | undefined,
  properties: Visibility,
  nowMicros: number,
): object is VersionedObject {
  return object !== undefined && !visibleObject(object, properties, nowMicros).isTombstone;
}
