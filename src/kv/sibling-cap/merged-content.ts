/**
 * The content that takes the place of siblings, by the policies that need no function of a user.
 *
 * P1  It depends on the siblings alone, not on their order: whoever merges the same siblings comes to the same value.
 * P2  `union` loses nothing that is there: tombstones give way to what lives, and index entries are those of all.
 * P3  What cannot be merged is left as it is (undefined).
 * P4  Of what lives alone, beside tombstones, the value stays to the byte, whatever it is.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import type { Dot } from '../../clocks/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import { type Content, decodeContent, encodeContent, type Pair } from '../../wire/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import {
  lastModified,
  makeObject,
  type Sibling,
  type VersionedObject,
  withoutTwins,
} from '../object/index.ts';
import { unionOfJson } from './json-union.ts';

/** Bytes of values that are joined as JSON in one turn of the event loop, unless the node is told otherwise. */
export const unionBytesMaxDefault = 2 ** 20;

export interface SiblingCap {
  readonly siblingsMax: number;
  /** `none`: what has more is refused. `later`: somebody else merges it. */
  readonly policy: 'none' | 'later' | 'lww' | 'union';
}

/**
 * The object after the write of `dot`, with at most as many siblings as the cap lets it have: else one, which stands for
 * that write. Itself if there is nothing to do, or nothing that could be done.
 */
export function cappedObject(
  object: VersionedObject,
  { siblingsMax, policy }: SiblingCap,
  dot: Dot,
  unionBytesMax?: number,
): VersionedObject {
  if (policy === 'none' || policy === 'later' || object.siblingCount <= siblingsMax) return object;
  const written = object.siblings.find(
    (sibling) =>
      sibling.dot !== undefined && sibling.dot.actor === dot.actor && sibling.dot.counter === dot.counter,
  );
  const vtag = written === undefined ? undefined : decodeContent(written.content).vtag;
  const content = mergedContent(object, policy, vtag, unionBytesMax);
  return content === undefined ? object : makeObject(object.clock, [{ dot, content }]);
}

/** Undefined: the bucket has no cap of its own. */
export function siblingCapOf({
  siblings_max,
  merge_policy,
}: Pick<BucketProperties, 'siblings_max' | 'merge_policy'>): SiblingCap | undefined {
  if (siblings_max === 0) return undefined;
  return { siblingsMax: siblings_max, policy: typeof merge_policy === 'string' ? merge_policy : 'later' };
}

/** `vtag`: names what comes of it. Undefined: it cannot be merged. */
export function mergedContent(
  object: VersionedObject,
  policy: 'lww' | 'union',
  vtag: ByteString | undefined,
  unionBytesMax = unionBytesMaxDefault,
): Buffer | undefined {
  const siblings = withoutTwins(object).siblings;
  const live = siblings.filter(({ content }) => !decodeContent(content).deleted);
  if (policy === 'lww' || live.length === 0) {
    return encodeContent({ ...decodeContent(lastModified(siblings).content), vtag });
  }
  return unitedContent(live, vtag, unionBytesMax);
}

function unitedContent(
  live: readonly Sibling[],
  vtag: ByteString | undefined,
  unionBytesMax: number,
): Buffer | undefined {
  const contents = live.map(({ content }) => decodeContent(content));
  if (contents.length === 1) return encodeContent({ ...unitedMetadata(live, contents), vtag });
  // A value in chunks is not here.
  if (contents.some(({ manifest }) => manifest !== undefined)) return undefined;
  const bytes = contents.reduce((sum, { value }) => sum + value.length, 0);
  if (bytes > unionBytesMax || !contents.every(({ value }) => isUtf8(value))) return undefined;
  const union = unionOfJson(contents.map(({ value }) => value.toString('utf8')));
  if (union === undefined) return undefined;
  return encodeContent({ ...unitedMetadata(live, contents), vtag, value: Buffer.from(union, 'utf8') });
}

/** That of the last, with the index entries of all, and the end of the last to end. */
export function unitedMetadata(live: readonly Sibling[], contents: readonly Content[]): Content {
  const { expiresAtMicros: _, ...last } = decodeContent(lastModified(live).content);
  const ends = contents.map(({ expiresAtMicros = 0 }) => expiresAtMicros);
  const indexes = new Map<string, Pair>();
  for (const pair of contents.flatMap((content) => content.indexes)) {
    indexes.set(`${pair.key.length} ${pair.key}${pair.value ?? ''}`, pair);
  }
  const ordered = [...indexes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, pair]) => pair);
  const end = ends.includes(0) ? {} : { expiresAtMicros: ends.reduce((last, at) => Math.max(last, at), 0) };
  return { ...last, ...end, indexes: ordered };
}
