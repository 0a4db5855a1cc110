/**
 * A set of dots: what a replica of a data type has seen, what a client had read, what a remove removes.
 *
 * A version vector holds for each actor the dots 1 to n. That is not enough for deltas, which bring single
 * dots, in any order; so each actor has ranges of counters: an interval version vector (Mukund, Shenoy and
 * Suresh, "Optimized OR-Sets without ordering constraints", 2014). Where nothing is missing it is as small
 * as a version vector.
 *
 * C1  Entries are sorted by the actor's bytes; an actor has at most one, and no empty one.
 * C2  Ranges are as `dot-ranges.ts` says, so that equal sets have equal representations.
 */
import type { ActorId, Dot } from '../clocks/index.ts';
import { assert } from '../stdx/index.ts';
import {
  type DotRanges,
  rangesCover,
  rangesEqual,
  rangesInclude,
  rangesIntersect,
  rangesMinus,
  rangesUnion,
} from './dot-ranges.ts';

export interface ContextEntry {
  readonly actor: ActorId;
  readonly ranges: DotRanges;
}

const noRanges: DotRanges = [];

export class CausalContext {
  static readonly empty: CausalContext = new CausalContext([]);

  readonly entries: readonly ContextEntry[];

  private constructor(entries: readonly ContextEntry[]) {
    this.entries = entries;
  }

  /** Entries that hold C1 and C2 already. */
  static ofSorted(entries: readonly ContextEntry[]): CausalContext {
    return entries.length === 0 ? CausalContext.empty : new CausalContext(entries);
  }

  /** The counters `from` to `to` of one actor. */
  static ofRange(actor: ActorId, from: number, to: number): CausalContext {
    assert(Number.isSafeInteger(to) && from >= 1 && from <= to, 'a range of counters ascends from 1');
    return new CausalContext([{ actor, ranges: [from, to] }]);
  }

  static ofDots(dots: readonly Dot[]): CausalContext {
    if (dots.length === 0) return CausalContext.empty;
    let context = CausalContext.ofRange(dots[0].actor, dots[0].counter, dots[0].counter);
    for (let i = 1; i < dots.length; i += 1) {
      const { actor, counter } = dots[i];
      context = context.union(CausalContext.ofRange(actor, counter, counter));
    }
    return context;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  covers(dot: Dot): boolean {
    return rangesCover(this.rangesOf(dot.actor), dot.counter);
  }

  /** The actor's greatest counter in this set, 0 if it has none. */
  highestOf(actor: ActorId): number {
    return this.rangesOf(actor).at(-1) ?? 0;
  }

  rangesOf(actor: ActorId): DotRanges {
    // A key has few actors: at most a preflist's vnodes and their fallbacks, in their epochs.
    for (const entry of this.entries) if (entry.actor === actor) return entry.ranges;
    return noRanges;
  }

  /** `this` itself if `other` adds nothing. */
  union(other: CausalContext): CausalContext {
    if (this.includes(other)) return this;
    if (other.includes(this)) return other;
    const union: ContextEntry[] = [];
    let i = 0;
    let j = 0;
    const a = this.entries;
    const b = other.entries;
    while (i < a.length && j < b.length) {
      if (a[i].actor === b[j].actor) {
        union.push({ actor: a[i].actor, ranges: rangesUnion(a[i].ranges, b[j].ranges) });
        i += 1;
        j += 1;
      } else if (a[i].actor < b[j].actor) {
        union.push(a[i]);
        i += 1;
      } else {
        union.push(b[j]);
        j += 1;
      }
    }
    for (; i < a.length; i += 1) union.push(a[i]);
    for (; j < b.length; j += 1) union.push(b[j]);
    return new CausalContext(union);
  }

  /** `this` itself if `other` takes nothing from it. */
  minus(other: CausalContext): CausalContext {
    if (this.isDisjointFrom(other)) return this;
    const rest: ContextEntry[] = [];
    for (const entry of this.entries) {
      const ranges = rangesMinus(entry.ranges, other.rangesOf(entry.actor));
      if (ranges.length > 0) rest.push(ranges === entry.ranges ? entry : { actor: entry.actor, ranges });
    }
    return CausalContext.ofSorted(rest);
  }

  /** Without the actor's dots from `counter` on. */
  before(actor: ActorId, counter: number): CausalContext {
    return this.minus(CausalContext.ofRange(actor, counter, Number.MAX_SAFE_INTEGER));
  }

  includes(other: CausalContext): boolean {
    if (this === other) return true;
    for (const { actor, ranges } of other.entries) {
      if (!rangesInclude(this.rangesOf(actor), ranges)) return false;
    }
    return true;
  }

  isDisjointFrom(other: CausalContext): boolean {
    for (const { actor, ranges } of other.entries) {
      if (rangesIntersect(this.rangesOf(actor), ranges)) return false;
    }
    return true;
  }

  equals(other: CausalContext): boolean {
    if (this === other) return true;
    if (this.entries.length !== other.entries.length) return false;
    return this.entries.every(({ actor, ranges }, i) => {
      const theirs = other.entries[i];
      return theirs.actor === actor && rangesEqual(theirs.ranges, ranges);
    });
  }
}
