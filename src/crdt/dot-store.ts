/**
 * What a dotted data type holds besides its causal context: a tree whose leaves are dotted values (the dot
 * stores of Almeida et al. 2018), shared by the types that stand alone and those within maps.
 *
 * A map's field is there as long as anything live is in it, or a touch: every update of a field leaves its
 * dot there, so that a field whose set was emptied still shows, and so that an update wins against a
 * concurrent removal of the field. A removal of a field removes from all that is below it, to any depth,
 * the dots that its client had read: what is left is what was updated concurrently (reset-remove).
 *
 * S1  Of an element or a field of which nothing is known, nothing is stored.
 * S2  Removals written down at a field are not repeated below it: equal stores have equal bytes.
 */
import type { Dot } from '../clocks/index.ts';
import { assert } from '../stdx/index.ts';
import { AddWinsSet, joinSets } from './add-wins-set.ts';
import { CausalContext } from './causal-context.ts';
import type { Tally } from './counter.ts';
import { DottedValues, joinDottedValues, joinRemoved, type SeenPair, seenBelow } from './dotted-values.ts';
import type { Assignment } from './lww-register.ts';
import type { MapFieldType } from './operation.ts';
import { joinEntries, SortedEntries } from './sorted-entries.ts';

export type DotStore =
  | { readonly type: 'counter'; readonly tallies: DottedValues<Tally> }
  | { readonly type: 'flag'; readonly enables: DottedValues<Dot> }
  | { readonly type: 'map'; readonly map: FieldMap }
  | { readonly type: 'register'; readonly assignments: DottedValues<Assignment> }
  | { readonly type: 'set'; readonly set: AddWinsSet };

export interface FieldState {
  readonly touches: DottedValues<Dot>;
  readonly store: DotStore;
  /** Dots not seen yet that are removed from all below. */
  readonly removed: CausalContext;
}

export class FieldMap {
  static readonly empty: FieldMap = new FieldMap(SortedEntries.empty, false);

  /** By `fieldKey`. */
  readonly fields: SortedEntries<FieldState>;
  /** Whether a removal of dots that were not seen yet is written down anywhere within. */
  readonly hasRemoved: boolean;

  private constructor(fields: SortedEntries<FieldState>, hasRemoved: boolean) {
    this.fields = fields;
    this.hasRemoved = hasRemoved;
  }

  static of(fields: SortedEntries<FieldState>): FieldMap {
    return fields.size === 0 ? FieldMap.empty : new FieldMap(fields, fields.values.some(fieldHasRemoved));
  }
}

export function emptyStore(type: MapFieldType): DotStore {
  switch (type) {
    case 'counter':
      return { type, tallies: DottedValues.empty };
    case 'flag':
      return { type, enables: DottedValues.empty };
    case 'map':
      return { type, map: FieldMap.empty };
    case 'register':
      return { type, assignments: DottedValues.empty };
    case 'set':
      return { type, set: AddWinsSet.empty };
  }
}

export function emptyField(type: MapFieldType): FieldState {
  return { touches: DottedValues.empty, store: emptyStore(type), removed: CausalContext.empty };
}

/** Whether nothing at all is known here. */
export function isEmptyField({ touches, store, removed }: FieldState): boolean {
  return touches.isEmpty && removed.isEmpty && isEmptyStore(store);
}

/** Whether the field shows. */
export function isLiveField({ touches, store }: FieldState): boolean {
  return touches.isLive || isLiveStore(store);
}

function isEmptyStore(store: DotStore): boolean {
  return store.type === 'map' ? store.map.fields.size === 0 : contentOf(store).isEmpty;
}

export function isLiveStore(store: DotStore): boolean {
  return store.type === 'map' ? store.map.fields.values.some(isLiveField) : contentOf(store).isLive;
}

/** Whether a removal of dots that were not seen yet is written down anywhere within. */
export function hasRemoved(store: DotStore): boolean {
  if (store.type === 'map') return store.map.hasRemoved;
  const content = contentOf(store);
  return content instanceof AddWinsSet ? content.hasRemoved : !content.removed.isEmpty;
}

function fieldHasRemoved({ touches, store, removed }: FieldState): boolean {
  return !removed.isEmpty || !touches.removed.isEmpty || hasRemoved(store);
}

function contentOf(store: Exclude<DotStore, { type: 'map' }>): AddWinsSet | DottedValues<Dot> {
  switch (store.type) {
    case 'counter':
      return store.tallies;
    case 'flag':
      return store.enables;
    case 'register':
      return store.assignments;
    case 'set':
      return store.set;
  }
}

/** The join of two stores of one type; returns `left` itself if `right` adds nothing. */
export function joinStores(left: DotStore, right: DotStore, seen: SeenPair): DotStore {
  switch (left.type) {
    case 'counter': {
      const tallies = joinDottedValues(left.tallies, ofType(right, left.type).tallies, seen);
      return tallies === left.tallies ? left : { type: left.type, tallies };
    }
    case 'flag': {
      const enables = joinDottedValues(left.enables, ofType(right, left.type).enables, seen);
      return enables === left.enables ? left : { type: left.type, enables };
    }
    case 'register': {
      const assignments = joinDottedValues(left.assignments, ofType(right, left.type).assignments, seen);
      return assignments === left.assignments ? left : { type: left.type, assignments };
    }
    case 'set': {
      const set = joinSets(left.set, ofType(right, left.type).set, seen);
      return set === left.set ? left : { type: left.type, set };
    }
    case 'map': {
      const map = joinFieldMaps(left.map, ofType(right, left.type).map, seen);
      return map === left.map ? left : { type: left.type, map };
    }
  }
}

export function ofType<T extends DotStore['type']>(store: DotStore, type: T): Extract<DotStore, { type: T }> {
  assert(store.type === type, 'a store is joined and read as the type that it has');
  return store as Extract<DotStore, { type: T }>;
}

function joinFieldMaps(left: FieldMap, right: FieldMap, seen: SeenPair): FieldMap {
  // What the right has not seen it cannot have removed, save in the fields that it names.
  const onlyRight = !left.hasRemoved && seen.left.isDisjointFrom(seen.right);
  const fields = joinEntries<FieldState>(left.fields, right.fields, onlyRight, (ours, theirs) =>
    joinFields(ours, theirs, seen),
  );
  return fields === left.fields ? left : FieldMap.of(fields);
}

function joinFields(
  left: FieldState | undefined,
  right: FieldState | undefined,
  seen: SeenPair,
): FieldState | undefined {
  const type = (left ?? right)?.store.type as MapFieldType;
  const ours = left ?? emptyField(type);
  const theirs = right ?? emptyField(type);
  const below = seenBelow(seen, ours.removed, theirs.removed);
  const touches = joinDottedValues(ours.touches, theirs.touches, below);
  const store = joinStores(ours.store, theirs.store, below);
  const removed = joinRemoved(ours.removed, theirs.removed, seen);
  if (left !== undefined && touches === left.touches && store === left.store && removed === left.removed) {
    return left;
  }
  const joined = { touches, store, removed };
  return isEmptyField(joined) ? undefined : joined;
}

/** What is left of a field when the dots of `removed` are removed from all below. */
export function resetField(field: FieldState, seen: CausalContext, removed: CausalContext): FieldState {
  const remover: FieldState = { ...emptyField(field.store.type), removed };
  const pair = { left: seen, right: CausalContext.empty };
  return joinFields(field, remover, pair) ?? emptyField(field.store.type);
}
