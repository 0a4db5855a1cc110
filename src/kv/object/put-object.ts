/**
 * What a write makes of the copy that a vnode holds.
 */
import type { Buffer } from 'node:buffer';
import {
  type ActorId,
  type Dot,
  epochOfActor,
  type PruneLimits,
  sameDot,
  type VersionEntry,
  VersionVector,
  vnodeIdOfActor,
} from '../../clocks/index.ts';
import { assert } from '../../stdx/index.ts';
import { lastModifiedOfContent } from '../../wire/index.ts';
import { isExpired } from './expiry.ts';
import { lastModified, mergeObjects } from './merge-objects.ts';
import type { Sibling } from './stored-form.ts';
import { makeObject, VersionedObject } from './versioned-object.ts';

export interface CoordinatedWrite {
  /** What the client had read; empty if nothing. */
  readonly context: VersionVector;
  /** An encoded RpbContent, stamped with its vtag and time. */
  readonly content: Buffer;
  /** The name of this write: neither the context nor the local copy may cover it. */
  readonly dot: Dot;
  /** The time of this write, in seconds since the Unix epoch. */
  readonly seconds: number;
  readonly allowMult: boolean;
  readonly lastWriteWins: boolean;
  /** Microseconds since the Unix epoch: what had expired by then gives way to any write. */
  readonly expiredByMicros?: number;
}

/** How a write is pruned: at all its replicas alike, or who forgot less would bring it back to who forgot more. */
export interface Pruning {
  readonly limits: PruneLimits;
  /** Of the coordinator's clock, since the Unix epoch. */
  readonly nowSeconds: number;
}

/**
 * The write at its coordinator: the content gets a dot of its own and takes the place of what the client
 * had read. Siblings that the client had not read stay, unless the bucket has none: with `lastWriteWins`
 * the write supersedes them; without `allowMult` whichever was modified last stays, and stands for
 * this write from here on. So also there a dot has one content and the merge remains a join.
 */
export function putObject(local: VersionedObject | undefined, put: CoordinatedWrite): VersionedObject {
  const { context, content, dot, seconds } = put;
  const written: Sibling = { dot, content };
  if (local === undefined) return makeObject(context.with(dot, seconds), [written]);
  const clock = VersionVector.merge(local.clock, context).with(dot, seconds);
  if (put.lastWriteWins) return makeObject(clock, [written]);
  const siblings = unread(local, put);
  siblings.push(written);
  if (put.allowMult) return makeObject(clock, siblings);
  return makeObject(clock, [{ dot, content: lastModified(siblings).content }]);
}

/** The siblings that are not part of what the client had read, and not expired. */
function unread(local: VersionedObject, { context, expiredByMicros }: CoordinatedWrite): Sibling[] {
  const kept: Sibling[] = [];
  local.dots.forEach((dot, i) => {
    const read = dot === undefined ? context.descends(local.clock) : context.covers(dot);
    if (!read) kept.push(local.siblings[i]);
  });
  if (expiredByMicros === undefined || !local.mayExpire) return kept;
  return kept.filter((sibling) => !isExpired(sibling, expiredByMicros));
}

/**
 * The result of a coordinator, a repair or a handoff, at a vnode that did not coordinate it. Returns
 * `local` itself if there is nothing to store.
 *
 * The same in every bucket. Where `allow_mult` is false, concurrent versions are kept, at most one for
 * each coordinator, and hidden when read (`collapse`): which one is the last can change while writes
 * are on their way, and a version dropped too early could not come back.
 */
export function replicaPut(local: VersionedObject | undefined, incoming: VersionedObject): VersionedObject {
  return local === undefined ? incoming : mergeObjects(local, incoming);
}

/**
 * As `replicaPut` of a vnode that has reaped `tombstone` lately: what the tombstone has seen does not come back. The
 * tombstone itself does not, either: whatever its stamp, it does not stand beside what was written after it was forgotten.
 * Returns `tombstone` itself if there is nothing to store.
 */
export function replicaPutAfterReap(tombstone: VersionedObject, incoming: VersionedObject): VersionedObject {
  const merged = mergeObjects(tombstone, incoming);
  if (merged === tombstone || merged === incoming) return merged;
  const news = merged.siblings.filter(({ dot }) => dot === undefined || !isDotOf(tombstone, dot));
  return news.length === 0 ? tombstone : makeObject(merged.clock, news);
}

/** A new object at its coordinator that has reaped `tombstone` lately: so that late copies elsewhere give way, too. */
export function afterReap(tombstone: VersionedObject, object: VersionedObject): VersionedObject {
  const [dot] = object.dots;
  assert(dot !== undefined, 'its coordinator has just given it one');
  return makeObject(object.clock.after(tombstone.clock, dot.actor), object.siblings);
}

function isDotOf(object: VersionedObject, dot: Dot): boolean {
  return object.dots.some((other) => other !== undefined && sameDot(other, dot));
}

/**
 * A write to a bucket whose objects are written once: nobody coordinates it and nobody reads before it, so its dot is its
 * own. `actor` must be new.
 */
export function writeOnceObject(actor: ActorId, content: Buffer): VersionedObject {
  const dot: Dot = { actor, counter: 1 };
  const seconds = Math.floor(lastModifiedOfContent(content) / 1_000_000);
  return VersionedObject.of(VersionVector.empty.with(dot, seconds), [{ dot, content }], true);
}

/** A version from elsewhere, with its clock as it is and no dot known. */
export function asisObject(context: VersionVector, content: Buffer, isWriteOnce = false): VersionedObject {
  return VersionedObject.of(context, [{ dot: undefined, content }], isWriteOnce);
}

/**
 * The object with its clock pruned; itself if that drops nothing. Writes of clients only (spec'd by Riak).
 *
 * Entries of siblings stay: who has read one could not supersede it by a context that does not name it. So do those of
 * `replaced`, what the vnode held before: other replicas have to see what this write supersedes. What has no dot gives way
 * to a newer clock only if that is whole (M2): nothing is dropped in a write that follows upon it.
 */
export function pruned(
  object: VersionedObject,
  replaced: VersionedObject | undefined,
  { limits, nowSeconds }: Pruning,
): VersionedObject {
  if (object.clock.entries.length <= limits.smallVclock) return object;
  const kept = new Set<ActorId>();
  for (const dots of [object.dots, replaced?.dots ?? []]) {
    for (const dot of dots) {
      if (dot === undefined) return object;
      kept.add(dot.actor);
    }
  }
  const clock = object.clock.prune(limits, nowSeconds, kept);
  return clock === object.clock ? object : makeObject(clock, object.siblings);
}

/** An entry that so many newer ones stand beside may have been pruned: fewer than any clock keeps by the usual limits. */
const newerEntriesMin = 25;

/**
 * Whether `clock` may have forgotten an entry because it was so old, and not because its copy was lost. `newerMin`: of a
 * bucket that keeps fewer entries, so that what was once taken for pruned still is when the clock has become shorter.
 */
export function mayHavePruned(
  clock: VersionVector,
  entry: VersionEntry,
  newerMin: number = newerEntriesMin,
): boolean {
  return clock.entries.length >= newerMin && clock.newerThan(entry) >= newerMin;
}

/**
 * Whether a vnode must not go on counting as `actor`, because the local copy may have forgotten some of
 * what the vnode wrote (riak_kv#679): there is no copy, or the context names writes of a later epoch
 * of the vnode, or more of this one, than the copy does; or the entry may have been pruned here, and have
 * come back from who had an older one; or because the counter is used up. `smallVclock`: as the bucket prunes.
 */
export function needsNewEpoch(
  local: VersionedObject | undefined,
  context: VersionVector,
  actor: ActorId,
  smallVclock: number = Number.POSITIVE_INFINITY,
): boolean {
  if (local === undefined) return true;
  const entry = local.clock.entryOf(actor);
  const counter = entry?.counter ?? 0;
  const newerMin = Math.min(newerEntriesMin, Math.ceil(smallVclock / 2));
  if (entry !== undefined && mayHavePruned(local.clock, entry, newerMin)) return true;
  if (context.isEmpty) return counter >= Number.MAX_SAFE_INTEGER;
  const epoch = context.highestEpochOf(vnodeIdOfActor(actor));
  if (epoch !== undefined && epoch > epochOfActor(actor)) return true;
  return context.counterOf(actor) > counter || counter >= Number.MAX_SAFE_INTEGER;
}
