/**
 * The observed-remove set without tombstones, add wins (ORSWOT: Bieniusa et al., "An optimized
 * conflict-free replicated set", 2012), on the shared causal context of its data type. An element is in the
 * set as long as an add of it is there. An add replaces the adds of its element that it found; a removal
 * removes those that its client had read.
 *
 * All elements that one request adds carry its one dot: a dot names an add only together with its element.
 */
import type { Dot } from '../clocks/index.ts';
import type { ByteString } from '../stdx/index.ts';
import { CausalContext } from './causal-context.ts';
import { DottedValues, joinDottedValues, type SeenPair } from './dotted-values.ts';
import type { Refusal, SetOperation, SetStep } from './operation.ts';
import { joinEntries, SortedEntries } from './sorted-entries.ts';
import { removedByClient, type UpdateScope } from './update-scope.ts';

export class AddWinsSet {
  static readonly empty: AddWinsSet = new AddWinsSet(SortedEntries.empty, false);

  /** Adds by element; those of which only removals are written down are not in the set. */
  readonly adds: SortedEntries<DottedValues<Dot>>;
  /** Whether a removal of adds that were not seen yet is written down at any element. */
  readonly hasRemoved: boolean;

  private constructor(adds: SortedEntries<DottedValues<Dot>>, hasRemoved: boolean) {
    this.adds = adds;
    this.hasRemoved = hasRemoved;
  }

  static of(adds: SortedEntries<DottedValues<Dot>>, hasRemoved: boolean): AddWinsSet {
    return adds.size === 0 ? AddWinsSet.empty : new AddWinsSet(adds, hasRemoved);
  }

  get isEmpty(): boolean {
    return this.adds.size === 0;
  }

  get isLive(): boolean {
    if (!this.hasRemoved) return this.adds.size > 0;
    return this.adds.values.some(({ isLive }) => isLive);
  }

  addsOf(element: ByteString): readonly Dot[] {
    return this.adds.get(element)?.dots ?? [];
  }
}

/** The elements in byte order. */
export function setValue(set: AddWinsSet): readonly ByteString[] {
  if (!set.hasRemoved) return set.adds.keys;
  return set.adds.keys.filter((_, i) => set.adds.values[i].isLive);
}

/** Returns `left` itself if `right` adds nothing. */
export function joinSets(left: AddWinsSet, right: AddWinsSet, seen: SeenPair): AddWinsSet {
  // What the right has not seen it cannot have removed, save at the elements that it names.
  const onlyRight = !left.hasRemoved && seen.left.isDisjointFrom(seen.right);
  let hasRemoved = false;
  const adds = joinEntries<DottedValues<Dot>>(left.adds, right.adds, onlyRight, (ours, theirs) => {
    const joined = joinDottedValues(ours ?? DottedValues.empty, theirs ?? DottedValues.empty, seen);
    if (!joined.removed.isEmpty) hasRemoved = true;
    return joined.isEmpty ? undefined : joined;
  });
  return adds === left.adds ? left : AddWinsSet.of(adds, hasRemoved);
}

/** The delta of the operations, applied in order to `set`: no larger than what they name. */
export function setDelta(
  set: AddWinsSet,
  operations: readonly SetOperation[],
  scope: UpdateScope,
): AddWinsSet | Refusal {
  const changes = new Map<ByteString, ElementChange>();
  for (const { steps } of operations) {
    for (const step of steps) {
      for (const element of step.elements) {
        const before = changes.get(element) ?? unchanged;
        const change = changed(set.addsOf(element), before, step.kind, scope);
        if (change === undefined) return { kind: 'element_not_present', element };
        changes.set(element, change);
      }
    }
  }
  return deltaOf(changes, scope.dot);
}

interface ElementChange {
  readonly added: boolean;
  readonly removed: CausalContext;
}

const unchanged: ElementChange = { added: false, removed: CausalContext.empty };

/** What one more step makes of an element's change; undefined if it removes what is not there. */
function changed(
  found: readonly Dot[],
  before: ElementChange,
  step: SetStep['kind'],
  scope: UpdateScope,
): ElementChange | undefined {
  if (step === 'add') {
    return { added: true, removed: before.removed.union(CausalContext.ofDots(found)) };
  }
  const removed = before.removed.union(removedByClient(found, scope));
  // What this very request added its client cannot have read: it stays.
  if (scope.context !== undefined) return { added: before.added, removed };
  const isThere = before.added || found.some((dot) => !before.removed.covers(dot));
  return isThere ? { added: false, removed } : undefined;
}

function deltaOf(changes: ReadonlyMap<ByteString, ElementChange>, dot: Dot): AddWinsSet {
  const added = [dot];
  const adds = new Map<ByteString, DottedValues<Dot>>();
  let hasRemoved = false;
  for (const [element, change] of changes) {
    const values = DottedValues.of(change.added ? added : [], change.removed);
    if (values.isEmpty) continue;
    if (!change.removed.isEmpty) hasRemoved = true;
    adds.set(element, values);
  }
  return AddWinsSet.of(SortedEntries.ofMap(adds), hasRemoved);
}
