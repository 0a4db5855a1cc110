/**
 * The merge of two versions of an object: a join, so that replicas that have seen the same writes hold
 * the same bytes, whatever the order, the path and the number of times those reached them.
 *
 * M1  A sibling stays if the other side has it too, or has not seen its write. A write that the other
 *     side has seen and no longer holds was superseded there (Preguiça et al. 2010; Riak's dvv_enabled).
 * M2  A content without a dot stays until the other side is newer as a whole.
 * M3  Nothing vanishes without a successor: if M1 and M2 would leave no sibling, which needs clocks that
 *     no sequence of puts and merges makes, the newer side stays, or else both do (riak_kv#1707, R17).
 *
 * M4  Objects that are written once are ordered, and the first of two stays as a whole, since their clocks say nothing of
 *     each other: tombstones come before values, earlier stamps before later ones, lesser bytes before greater ones, and
 *     all of them before any other object.
 *
 * Sides with one dot and two contents (a reused actor) keep both contents: a client can still choose.
 */
import { type Dot, sameDot, VersionVector } from '../../clocks/index.ts';
import { isDeletedContent, lastModifiedOfContent } from '../../wire/index.ts';
import { sameVersion } from './causality.ts';
import type { Sibling } from './stored-form.ts';
import { makeObject, type VersionedObject } from './versioned-object.ts';

/** Returns `left` itself, or else `right` itself, if the result has its bytes: then there is nothing to store. */
export function mergeObjects(left: VersionedObject, right: VersionedObject): VersionedObject {
  if (left === right) return left;
  if (sameVersion(left, right) && left.bytes.equals(right.bytes)) return left;
  if (left.isWriteOnce || right.isWriteOnce) return firstWritten(left, right);
  const clock = VersionVector.merge(left.clock, right.clock);
  if (clock === right.clock && replacesOnlySibling(right, left)) return right;
  if (clock === left.clock && replacesOnlySibling(left, right)) return left;
  const keptLeft = survivors(left, right);
  const keptRight = survivors(right, left);
  if (keptLeft.length + keptRight.length === 0) return rescued(left, right, clock);
  const added = keptRight.filter((i) => !holds(left, keptLeft, right, i));
  if (clock === left.clock && added.length === 0 && keptLeft.length === left.siblingCount) return left;
  if (clock === right.clock && keptRight.length === right.siblingCount) {
    if (keptLeft.every((i) => holds(right, keptRight, left, i))) return right;
  }
  const siblings = keptLeft.map((i) => left.siblings[i]);
  for (const i of added) siblings.push(right.siblings[i]);
  return makeObject(clock, siblings);
}

/** An object that is written once has one sibling. */
function firstWritten(left: VersionedObject, right: VersionedObject): VersionedObject {
  if (left.isWriteOnce !== right.isWriteOnce) return left.isWriteOnce ? left : right;
  if (left.isTombstone !== right.isTombstone) return left.isTombstone ? left : right;
  const [one] = left.siblings;
  const [other] = right.siblings;
  const difference = lastModifiedOfContent(one.content) - lastModifiedOfContent(other.content);
  if (difference !== 0) return difference < 0 ? left : right;
  return left.bytes.compare(right.bytes) <= 0 ? left : right;
}

/** The common case, decided without lists: one sibling each, and the newer has seen the older's write. */
function replacesOnlySibling(newer: VersionedObject, older: VersionedObject): boolean {
  if (newer.siblingCount !== 1 || older.siblingCount !== 1) return false;
  const newDot = newer.dots[0];
  const oldDot = older.dots[0];
  if (newDot === undefined || oldDot === undefined || sameDot(newDot, oldDot)) return false;
  return newer.clock.covers(oldDot) && !older.clock.covers(newDot);
}

/** Positions of the siblings of `object` that stay beside `other` (M1, M2). */
function survivors(object: VersionedObject, other: VersionedObject): readonly number[] {
  const kept: number[] = [];
  object.dots.forEach((dot, i) => {
    const stays = dot === undefined ? dotlessStays(object, i, other) : dotStays(dot, other);
    if (stays) kept.push(i);
  });
  return kept;
}

function dotStays(dot: Dot, other: VersionedObject): boolean {
  return (
    !other.clock.covers(dot) || other.dots.some((theirs) => theirs !== undefined && sameDot(dot, theirs))
  );
}

function dotlessStays(object: VersionedObject, position: number, other: VersionedObject): boolean {
  const { content } = object.siblings[position];
  if (other.siblings.some((theirs) => theirs.dot === undefined && theirs.content.equals(content)))
    return true;
  return other.clock.compare(object.clock) !== 'descends';
}

/** Whether `object`, of its siblings at `kept`, has the sibling that `other` has at `position`. */
function holds(
  object: VersionedObject,
  kept: readonly number[],
  other: VersionedObject,
  position: number,
): boolean {
  const dot = other.dots[position];
  return kept.some((i) => {
    const ours = object.dots[i];
    const dotsMatch = dot === undefined || ours === undefined ? dot === ours : sameDot(dot, ours);
    return dotsMatch && object.siblings[i].content.equals(other.siblings[position].content);
  });
}

function rescued(left: VersionedObject, right: VersionedObject, clock: VersionVector): VersionedObject {
  const causality = left.clock.compare(right.clock);
  const siblings: Sibling[] = [];
  if (causality !== 'precedes') for (const sibling of left.siblings) siblings.push(sibling);
  if (causality !== 'descends') for (const sibling of right.siblings) siblings.push(sibling);
  return makeObject(clock, siblings);
}

/**
 * The object as buckets without siblings show it (`allow_mult` false): the content that was modified
 * last; of those modified in the same microsecond a live one, and then the one with the greater bytes.
 *
 * For showing only. Stored, a collapsed object would claim to have superseded what it merely hid, and
 * replicas that hid different siblings could never agree.
 */
export function collapse(object: VersionedObject): VersionedObject {
  return object.siblingCount === 1 ? object : makeObject(object.clock, [lastModified(object.siblings)]);
}

export function lastModified(siblings: readonly Sibling[]): Sibling {
  return siblings.reduce((best, sibling) => (isModifiedAfter(sibling, best) ? sibling : best));
}

function isModifiedAfter(a: Sibling, b: Sibling): boolean {
  const difference = lastModifiedOfContent(a.content) - lastModifiedOfContent(b.content);
  if (difference !== 0) return difference > 0;
  const aDeleted = isDeletedContent(a.content);
  if (aDeleted !== isDeletedContent(b.content)) return !aDeleted;
  return a.content.compare(b.content) > 0;
}
