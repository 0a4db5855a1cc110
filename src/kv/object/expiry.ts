/**
 * Objects that live for a limited time. When a content ends is part of it, an instant of the world's clock that was set
 * once, where the write came in; so all replicas mean the same instant, and trees and digests need not know of it.
 *
 * An expired content is to be taken for a tombstone: it is not shown, it wins over what it has superseded, and it is
 * forgotten only as tombstones are. What is merged is never cut by the time: that would be no join.
 */

import { byteLiteral } from '../../stdx/index.ts';
import {
  expiryOfContent,
  isDeletedContent,
  lastModifiedOfContent,
  tombstoneContent,
} from '../../wire/index.ts';
import type { Sibling } from './stored-form.ts';
import { makeObject, type VersionedObject } from './versioned-object.ts';

/** Microseconds since the Unix epoch: from then on nothing of the object is live. Undefined: something stays. */
export function expiryOfObject(object: VersionedObject): number | undefined {
  if (!object.mayExpire) return undefined;
  let last = 0;
  for (const { content } of object.siblings) {
    const expiry = expiryOfContent(content);
    if (expiry === 0 && !isDeletedContent(content)) return undefined;
    last = Math.max(last, expiry);
  }
  return last;
}

/** Microseconds since the Unix epoch: from then on nothing of the object is going to expire. */
export function lastExpiryOf(object: VersionedObject): number {
  if (!object.mayExpire) return 0;
  let last = 0;
  for (const { content } of object.siblings) last = Math.max(last, expiryOfContent(content));
  return last;
}

export function isExpired({ content }: Sibling, nowMicros: number): boolean {
  const expiry = expiryOfContent(content);
  return expiry !== 0 && expiry <= nowMicros;
}

/**
 * For showing only: the object without its expired contents; itself if it has none; a tombstone with its clock if it has
 * nothing else.
 */
export function withoutExpired(object: VersionedObject, nowMicros: number): VersionedObject {
  if (!object.mayExpire) return object;
  const { siblings } = object;
  const left = siblings.filter((sibling) => !isExpired(sibling, nowMicros));
  if (left.length === siblings.length) return object;
  return makeObject(object.clock, left.length > 0 ? left : [tombstoneOf(siblings[0])]);
}

function tombstoneOf({ dot, content }: Sibling): Sibling {
  return { dot, content: tombstoneContent(byteLiteral('expired'), lastModifiedOfContent(content)) };
}
