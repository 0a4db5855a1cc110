/**
 * The causal history of an object: for each actor, how many of its writes are included. With the dots
 * that siblings carry this makes dotted version vectors (Preguiça et al., "Dotted Version Vectors:
 * Logical Clocks for Optimistic Replication", 2010).
 *
 * V1  Entries are sorted by the actor's bytes; an actor has at most one; counters are at least 1.
 * V2  Only counters say what precedes what. Seconds serve pruning, and a write's are not before those of what it has
 *     seen (as in hybrid clocks: Kulkarni et al., "Logical Physical Clocks", 2014): else the write of a node whose clock is
 *     behind would be forgotten before all that it replaced, and come back beside what replaces it.
 * V3  Of two entries for one actor, merging keeps the greater counter, then the greater seconds: a join,
 *     so that merging commutes, associates, is idempotent, and replicas end with the same bytes.
 */
import type { Buffer } from 'node:buffer';
import { assert, type ByteString } from '../stdx/index.ts';
import { type ActorId, type Dot, epochOfActor } from './actor.ts';
import { contextBytes, entriesOfCheckedContext, entriesOfContext, writeContext } from './context-encoding.ts';

export interface VersionEntry {
  readonly actor: ActorId;
  /** From 1 to 2^53 - 1. */
  readonly counter: number;
  /** When the write of `counter` was coordinated, in seconds since the Unix epoch; no earlier than what it had seen. */
  readonly seconds: number;
}

export type Causality = 'equal' | 'descends' | 'precedes' | 'concurrent';

/** Bucket properties of the same names; ages in seconds. */
export interface PruneLimits {
  /** Clocks with no more entries than this are left alone. */
  readonly smallVclock: number;
  /** Clocks with more entries than this lose old entries until none are too many. */
  readonly bigVclock: number;
  /** Entries younger than this are never dropped. */
  readonly youngVclock: number;
  /** Entries older than this go even from clocks that are not big. */
  readonly oldVclock: number;
}

/** A clock that is further ahead than this is not followed: what was written under it would stay young for ever. */
const aheadSecondsMax = 86_400;

export class VersionVector {
  static readonly empty: VersionVector = new VersionVector([]);

  readonly entries: readonly VersionEntry[];

  private constructor(entries: readonly VersionEntry[]) {
    this.entries = entries;
  }

  /** Entries in any order, one for an actor. */
  static of(entries: readonly VersionEntry[]): VersionVector {
    const sorted = entries.map(({ actor, counter, seconds }) => ({ actor, counter, seconds }));
    sorted.sort((a, b) => (a.actor < b.actor ? -1 : 1));
    sorted.forEach((entry, i) => {
      assert(i === 0 || sorted[i - 1].actor !== entry.actor, 'an actor has one entry');
      assert(Number.isSafeInteger(entry.counter) && entry.counter >= 1, 'a counter is from 1 to 2^53 - 1');
      assert(Number.isSafeInteger(entry.seconds) && entry.seconds >= 0, 'seconds are from 0 to 2^53 - 1');
    });
    return new VersionVector(sorted);
  }

  /**
   * The vector that a client sent back, or undefined if no node of this database encoded it: it is
   * truncated, altered or foreign. No bytes at all are the empty vector: concurrent with everything.
   */
  static decode(bytes: Uint8Array): VersionVector | undefined {
    if (bytes.length === 0) return VersionVector.empty;
    const entries = entriesOfContext(bytes, 0, bytes.length);
    return entries === undefined ? undefined : new VersionVector(entries);
  }

  /** The entry-wise maximum; `a` or `b` itself if it is that. */
  static merge(a: VersionVector, b: VersionVector): VersionVector {
    if (includes(a.entries, b.entries)) return a;
    if (includes(b.entries, a.entries)) return b;
    const merged: VersionEntry[] = [];
    let i = 0;
    let j = 0;
    while (i < a.entries.length && j < b.entries.length) {
      const left = a.entries[i];
      const right = b.entries[j];
      if (left.actor === right.actor) {
        merged.push(isLater(right, left) ? right : left);
        i += 1;
        j += 1;
      } else if (left.actor < right.actor) {
        merged.push(left);
        i += 1;
      } else {
        merged.push(right);
        j += 1;
      }
    }
    for (; i < a.entries.length; i += 1) merged.push(a.entries[i]);
    for (; j < b.entries.length; j += 1) merged.push(b.entries[j]);
    return new VersionVector(merged);
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** 0 if the actor has no entry. */
  counterOf(actor: ActorId): number {
    return this.entryOf(actor)?.counter ?? 0;
  }

  /** Whether the write is part of this history. */
  covers(dot: Dot): boolean {
    return this.counterOf(dot.actor) >= dot.counter;
  }

  /** Whether every write of `other` is part of this history; true of equals. */
  descends(other: VersionVector): boolean {
    const causality = this.compare(other);
    return causality === 'equal' || causality === 'descends';
  }

  /** The same writes; seconds may differ. */
  equals(other: VersionVector): boolean {
    const { entries } = this;
    if (entries.length !== other.entries.length) return false;
    for (let i = 0; i < entries.length; i += 1) {
      const a = entries[i];
      const b = other.entries[i];
      if (a.counter !== b.counter || a.actor !== b.actor) return false;
    }
    return true;
  }

  /** Where this history stands to `other`: `descends` if it has all of it and more. */
  compare(other: VersionVector): Causality {
    let more = false;
    let less = false;
    const a = this.entries;
    const b = other.entries;
    let i = 0;
    let j = 0;
    while (i < a.length && j < b.length) {
      const left = a[i];
      const right = b[j];
      if (left.actor === right.actor) {
        if (left.counter > right.counter) more = true;
        else if (left.counter < right.counter) less = true;
        i += 1;
        j += 1;
      } else if (left.actor < right.actor) {
        more = true;
        i += 1;
      } else {
        less = true;
        j += 1;
      }
    }
    if (i < a.length) more = true;
    if (j < b.length) less = true;
    if (more) return less ? 'concurrent' : 'descends';
    return less ? 'precedes' : 'equal';
  }

  /** This history and one more write, which must be new to it. `seconds`: of the clock of who coordinates it. */
  with(dot: Dot, seconds: number): VersionVector {
    assert(Number.isSafeInteger(dot.counter) && dot.counter >= 1, 'a counter is from 1 to 2^53 - 1');
    assert(Number.isSafeInteger(seconds) && seconds >= 0, 'seconds are from 0 to 2^53 - 1');
    const { actor, counter } = dot;
    const at = this.#placeOf(actor);
    const present = this.entries[at];
    const replaced = present !== undefined && present.actor === actor;
    assert(!replaced || present.counter < counter, 'a dot is issued once');
    const entries = this.entries.slice();
    const entry: VersionEntry = { actor, counter, seconds: causalSeconds(seconds, entries) };
    if (replaced) entries[at] = entry;
    else entries.splice(at, 0, entry);
    return new VersionVector(entries);
  }

  /** This history, its write by `actor` made to follow all of `past`, though who made it had not seen that (V2). */
  after(past: VersionVector, actor: ActorId): VersionVector {
    const entries = this.entries.map((entry) =>
      entry.actor === actor ? { ...entry, seconds: causalSeconds(entry.seconds, past.entries) } : entry,
    );
    return VersionVector.merge(new VersionVector(entries), past);
  }

  /** The highest epoch under which the vnode wrote, or undefined if it wrote nothing here. */
  highestEpochOf(vnodeId: ByteString): number | undefined {
    const actor = this.latestActorOf(vnodeId);
    return actor === undefined ? undefined : epochOfActor(actor);
  }

  /** The vnode in that epoch. */
  latestActorOf(vnodeId: ByteString): ActorId | undefined {
    const { entries } = this;
    for (let i = entries.length - 1; i >= 0; i -= 1) {
      const { actor } = entries[i];
      if (actor.startsWith(vnodeId)) return actor;
    }
    return undefined;
  }

  /**
   * Forgets the oldest entries of a clock that has too many (Dynamo §4.4; Riak's rules and limits).
   * What is dropped depends on nothing but the arguments, so that replicas drop the same. A history
   * that has lost entries may make siblings of versions that were ordered, and never loses a value.
   * Entries of the actors `kept` stay, though the clock then be bigger than the limits.
   */
  prune(limits: PruneLimits, nowSeconds: number, kept?: ReadonlySet<ActorId>): VersionVector {
    const { entries } = this;
    if (entries.length <= limits.smallVclock) return this;
    const dropped = new Set<VersionEntry>();
    for (const entry of [...entries].sort(byAge)) {
      const left = entries.length - dropped.size;
      const age = nowSeconds - entry.seconds;
      if (left <= limits.smallVclock || age < limits.youngVclock) break;
      if (left <= limits.bigVclock && age <= limits.oldVclock) break;
      if (kept?.has(entry.actor) !== true) dropped.add(entry);
    }
    if (dropped.size === 0) return this;
    return new VersionVector(entries.filter((entry) => !dropped.has(entry)));
  }

  /** The opaque context that clients carry. Vectors with the same entries have the same bytes. */
  encode(): Buffer {
    return contextBytes(this.entries);
  }

  /** Writes `encode()` at `offset`, where the room must be, and returns the offset after it. */
  encodeInto(bytes: Buffer, offset: number): number {
    return writeContext(this.entries, bytes, offset);
  }

  /** The vector in bytes `start` to `end`, which `isContext` has found to be one. */
  static decodeChecked(bytes: Uint8Array, start: number, end: number): VersionVector {
    const entries = entriesOfCheckedContext(bytes, start, end);
    assert(entries !== undefined, 'the bytes are a context');
    return new VersionVector(entries);
  }

  /** How many entries `prune` would drop after that one. */
  newerThan(entry: VersionEntry): number {
    let newer = 0;
    for (const other of this.entries) if (byAge(entry, other) < 0) newer += 1;
    return newer;
  }

  /** Undefined if the actor has none. */
  entryOf(actor: ActorId): VersionEntry | undefined {
    const entry = this.entries[this.#placeOf(actor)];
    return entry?.actor === actor ? entry : undefined;
  }

  /** Where the actor's entry is, or -1. */
  positionOf(actor: ActorId): number {
    const at = this.#placeOf(actor);
    return this.entries[at]?.actor === actor ? at : -1;
  }

  /** Where the actor's entry is, or would be. */
  #placeOf(actor: ActorId): number {
    const { entries } = this;
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (entries[middle].actor < actor) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isLater(a: VersionEntry, b: VersionEntry): boolean {
  return a.counter > b.counter || (a.counter === b.counter && a.seconds > b.seconds);
}

/** Whether merging `b` into `a` would change nothing, not even seconds. */
function includes(a: readonly VersionEntry[], b: readonly VersionEntry[]): boolean {
  if (b.length > a.length) return false;
  let i = 0;
  for (const right of b) {
    while (i < a.length && a[i].actor < right.actor) i += 1;
    if (i === a.length || a[i].actor !== right.actor || isLater(right, a[i])) return false;
    i += 1;
  }
  return true;
}

function causalSeconds(seconds: number, seen: readonly VersionEntry[]): number {
  let latest = seconds;
  for (const entry of seen) if (entry.seconds > latest) latest = entry.seconds;
  return Math.min(latest, seconds + aheadSecondsMax);
}

function byAge(a: VersionEntry, b: VersionEntry): number {
  if (a.seconds !== b.seconds) return a.seconds - b.seconds;
  return a.actor < b.actor ? -1 : 1;
}
