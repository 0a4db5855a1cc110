/**
 * Twins: siblings of one content under several dots. They are one write that two vnodes coordinated, because the
 * node that took it could not tell whether the first had. A content carries the vtag of its write, which is
 * random, so that two writes are never twins by chance.
 *
 * T1  Twins are shown as one. The context stays that of the whole object, so that whoever has read the one
 *     supersedes them all (O3).
 * T2  They are stored as they are: a merge that dropped one would not be a join, since a replica that has seen
 *     a successor of the dropped dot alone would take the content for superseded, and others would not.
 * T3  A vnode that is asked to coordinate a write which it holds makes no second dot of it.
 */
import type { Buffer } from 'node:buffer';
import type { Sibling } from './stored-form.ts';
import { makeObject, type VersionedObject } from './versioned-object.ts';

/** The object with the first of all twins, in the order of their dots; itself if there are none (T1). */
export function withoutTwins(object: VersionedObject): VersionedObject {
  if (object.siblingCount === 1) return object;
  const different: Sibling[] = [];
  for (const sibling of object.siblings) {
    if (!different.some((other) => other.content.equals(sibling.content))) different.push(sibling);
  }
  return different.length === object.siblingCount ? object : makeObject(object.clock, different);
}

/** Whether the write of this content is part of the object, and not superseded (T3). */
export function holdsContent(object: VersionedObject, content: Buffer): boolean {
  return object.siblings.some((sibling) => sibling.content.equals(content));
}
