/** Makes one version of several. */
import { byteStringOf } from '../stdx/index.ts';
import type { Content } from '../wire/index.ts';
import type { Merge } from './database.ts';
import type { Sibling } from './entry.ts';
import { HaleError } from './hale-error.ts';

/** The siblings that a reader means: no deletes, and one of those that say the same. */
export function liveSiblings(siblings: readonly Content[]): readonly Content[] {
  const live = siblings.filter((sibling) => !sibling.deleted);
  if (live.length < 2) return live;
  // A write repeated after its reply was lost makes a sibling of itself: that is no conflict.
  const distinct = new Map<string, Content>();
  for (const sibling of live) {
    const identity = identityOf(sibling);
    const known = distinct.get(identity);
    if (known === undefined || micros(known) < micros(sibling)) distinct.set(identity, sibling);
  }
  return [...distinct.values()];
}

/** The last by its coordinator's clock; among equals, the one with the greater tag. */
export function latestOf<T extends Content>(siblings: readonly [T, ...T[]] | readonly T[]): T {
  return siblings.reduce((latest, sibling) => (isLater(sibling, latest) ? sibling : latest));
}

/** Applies `merge` to two or more siblings. Whatever a merge function throws reaches the caller. */
export function mergeSiblings<T>(
  key: string,
  siblings: readonly Sibling<T>[],
  merge: Exclude<Merge<T>, 'latest'> | undefined,
): T {
  if (merge !== undefined) return merge(siblings);
  const text =
    `${siblings.length} concurrent values are stored under "${key}" and the bucket was opened without ` +
    '`merge`; give it one, or read them with `siblings()`';
  throw new HaleError('siblings', text);
}

function isLater(a: Content, b: Content): boolean {
  return micros(a) === micros(b) ? (a.vtag ?? '') > (b.vtag ?? '') : micros(a) > micros(b);
}

function micros(content: Content): number {
  return content.lastModifiedMicros ?? 0;
}

function identityOf(content: Content): string {
  const { contentType, charset, contentEncoding, links, userMeta, indexes, value } = content;
  const labels = JSON.stringify([contentType, charset, contentEncoding, links, userMeta, indexes]);
  return `${labels}\n${byteStringOf(value)}`;
}
