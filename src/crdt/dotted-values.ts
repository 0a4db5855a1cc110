/**
 * The leaves of every data type: values, each named by the dot of the update that put it there
 * (the DotFun and DotSet of Almeida, Shoker and Baquero, "Delta state replicated data types", 2018).
 *
 * Of each leaf a replica knows of every dot one of three things: that its value is there, that it is
 * removed, or nothing yet. A dot that the replica has seen (its causal context) and that has no value
 * here is removed: no tombstone is needed. Only removals of dots that have not been seen are written
 * down, until they are. The join takes removed over there over nothing yet, for each dot, which makes it
 * commutative, associative and idempotent.
 *
 * L1  Values are sorted by their dots (actor, then counter); the replica has seen all of these dots.
 * L2  `removed` has no dot that the replica has seen.
 */
import type { Dot } from '../clocks/index.ts';
import { CausalContext } from './causal-context.ts';

export class DottedValues<D extends Dot> {
  static readonly empty: DottedValues<never> = new DottedValues<never>([], CausalContext.empty);

  readonly dots: readonly D[];
  readonly removed: CausalContext;

  private constructor(dots: readonly D[], removed: CausalContext) {
    this.dots = dots;
    this.removed = removed;
  }

  static of<D extends Dot>(dots: readonly D[], removed: CausalContext): DottedValues<D> {
    if (dots.length === 0 && removed.isEmpty) return DottedValues.empty;
    return new DottedValues(dots, removed);
  }

  /** Whether it says nothing at all: then it need not be stored. */
  get isEmpty(): boolean {
    return this.dots.length === 0 && this.removed.isEmpty;
  }

  get isLive(): boolean {
    return this.dots.length > 0;
  }
}

/** The dots that two replicas have seen at one place: all that either has an opinion on. */
export interface SeenPair {
  readonly left: CausalContext;
  readonly right: CausalContext;
}

/** What is seen further down, where whole subtrees were removed on the way. */
export function seenBelow(seen: SeenPair, leftRemoved: CausalContext, rightRemoved: CausalContext): SeenPair {
  if (leftRemoved.isEmpty && rightRemoved.isEmpty) return seen;
  return { left: seen.left.union(leftRemoved), right: seen.right.union(rightRemoved) };
}

/** What stays written down as removed: what either side says, less what either has seen (L2). */
export function joinRemoved(left: CausalContext, right: CausalContext, seen: SeenPair): CausalContext {
  if (left.isEmpty && right.isEmpty) return left;
  const removed = left.union(right).minus(seen.left).minus(seen.right);
  return removed.equals(left) ? left : removed;
}

/** Returns `left` itself if `right` adds nothing. */
export function joinDottedValues<D extends Dot>(
  left: DottedValues<D>,
  right: DottedValues<D>,
  seen: SeenPair,
): DottedValues<D> {
  const below = seenBelow(seen, left.removed, right.removed);
  const dots = joinDots(left.dots, right.dots, below);
  const removed = joinRemoved(left.removed, right.removed, seen);
  if (dots === left.dots && removed === left.removed) return left;
  if (dots === right.dots && removed === right.removed) return right;
  return DottedValues.of(dots, removed);
}

/** A value stays if the other side has it too, or has not seen its dot. */
function joinDots<D extends Dot>(left: readonly D[], right: readonly D[], seen: SeenPair): readonly D[] {
  // Nearly all elements of nearly all sets: no list is made.
  if (right.length === 0 && isUnseen(left, seen.right)) return left;
  if (left.length === 0 && isUnseen(right, seen.left)) return right;
  if (left.length === 1 && right.length === 1 && compareDots(left[0], right[0]) === 0) return left;
  const kept: D[] = [];
  let fromLeft = 0;
  let fromRight = 0;
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    const order = i >= left.length ? 1 : j >= right.length ? -1 : compareDots(left[i], right[j]);
    if (order === 0) {
      kept.push(left[i]);
    } else if (order < 0) {
      if (!seen.right.covers(left[i])) {
        kept.push(left[i]);
        fromLeft += 1;
      }
    } else if (!seen.left.covers(right[j])) {
      kept.push(right[j]);
      fromRight += 1;
    }
    if (order <= 0) i += 1;
    if (order >= 0) j += 1;
  }
  if (fromRight === 0 && kept.length === left.length) return left;
  return fromLeft === 0 && kept.length === right.length ? right : kept;
}

function isUnseen(dots: readonly Dot[], seen: CausalContext): boolean {
  for (const dot of dots) if (seen.covers(dot)) return false;
  return true;
}

export function compareDots(a: Dot, b: Dot): number {
  if (a === b) return 0;
  if (a.actor !== b.actor) return a.actor < b.actor ? -1 : 1;
  return a.counter - b.counter;
}
