/**
 * The data types that clients know, as immutable values that form join semilattices.
 *
 * An update makes a delta: a small value of the same lattice that holds just what changed. The new state
 * is the join of the old one and the delta (Almeida, Shoker and Baquero, "Delta state replicated data types",
 * 2018), and what is sent to replicas, stored and merged is one and the same kind of value.
 *
 * T1  The join is commutative, associative and idempotent, on states, deltas and any joins of these: equal
 *     to the byte. So replicas that were sent the same updates are equal, whatever the order, the grouping
 *     and the number of times, as deltas or as whole states.
 * T2  A replica that has all that the updated one had before has, joined with the delta, what it would
 *     have joined with the updated state. Any other replica has the update without what went before it,
 *     until that arrives; it must not be taken for one that has all.
 * T3  A dot names one update for good. `update` takes dots that are new to the state.
 */
import type { Dot } from '../clocks/index.ts';
import { assert, type ByteString } from '../stdx/index.ts';
import { setDelta, setValue } from './add-wins-set.ts';
import { CausalContext } from './causal-context.ts';
import { counterDelta, counterValue } from './counter.ts';
import { type MapEntry, mapDelta, mapValue } from './crdt-map.ts';
import { type DotStore, emptyStore, isLiveStore, joinStores } from './dot-store.ts';
import { type GrowOnlySet, growOnlySetDelta, joinGrowOnlySets } from './grow-only-set.ts';
import { HyperLogLog, hyperLogLogDelta, hyperLogLogValue, joinHyperLogLogs } from './hyperloglog.ts';
import type { CrdtOperation, Refusal } from './operation.ts';
import { SortedEntries } from './sorted-entries.ts';
import type { UpdateScope } from './update-scope.ts';

export type CrdtType = 'counter' | 'gset' | 'hll' | 'map' | 'set';

/** A counter, set or map: a tree of dots, and all dots that this replica has seen, live or removed. */
export interface DottedCrdt {
  readonly type: 'counter' | 'map' | 'set';
  readonly seen: CausalContext;
  /** Of the same type. */
  readonly store: DotStore;
}

export interface GrowOnlySetCrdt {
  readonly type: 'gset';
  readonly elements: GrowOnlySet;
}

export interface HyperLogLogCrdt {
  readonly type: 'hll';
  readonly sketch: HyperLogLog;
}

export type Crdt = DottedCrdt | GrowOnlySetCrdt | HyperLogLogCrdt;

/** Riak's `hll_precision` unless the bucket type says otherwise. */
const precisionDefault = 14;

/** What a key has that was never updated. */
export function emptyCrdt(type: CrdtType, precision: number = precisionDefault): Crdt {
  switch (type) {
    case 'gset':
      return { type, elements: SortedEntries.empty };
    case 'hll':
      return { type, sketch: HyperLogLog.empty(precision) };
    default:
      return { type, seen: CausalContext.empty, store: emptyStore(type) };
  }
}

export interface CrdtUpdate {
  readonly operation: CrdtOperation;
  /**
   * The name of this update: greater than any counter that the actor ever used for this key, also for
   * values that are no longer part of the state, as before a delete.
   */
  readonly dot: Dot;
  /** Wall time of the coordinator, in microseconds since the Unix epoch. */
  readonly micros: number;
  /**
   * What the client had read, for removals; without it they remove what is in the state, and must find it.
   * Counters, grow-only sets and sketches ignore it.
   */
  readonly context?: CausalContext | undefined;
}

export type UpdateResult =
  /** `state` is the join of the state before and `delta`. */
  | { readonly kind: 'updated'; readonly state: Crdt; readonly delta: Crdt }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Applies all of the operation or nothing. */
export function updateCrdt(state: Crdt, update: CrdtUpdate): UpdateResult {
  const delta = deltaOf(state, update);
  if ('kind' in delta) return { kind: 'refused', refusal: delta };
  return { kind: 'updated', state: joinCrdts(state, delta), delta };
}

function deltaOf(state: Crdt, update: CrdtUpdate): Crdt | Refusal {
  const { operation } = update;
  if (state.type !== operation.kind) {
    return { kind: 'type_mismatch', expected: state.type, actual: operation.kind };
  }
  if (state.type === 'gset' && operation.kind === 'gset') {
    return { type: state.type, elements: growOnlySetDelta(state.elements, operation) };
  }
  if (state.type === 'hll' && operation.kind === 'hll') {
    return { type: state.type, sketch: hyperLogLogDelta(state.sketch, operation) };
  }
  assert('seen' in state, 'all other types have dots');
  return dottedDelta(state, update);
}

function dottedDelta({ type, seen, store }: DottedCrdt, update: CrdtUpdate): DottedCrdt | Refusal {
  const { operation, dot, micros } = update;
  const before = seen.highestOf(dot.actor);
  assert(Number.isSafeInteger(dot.counter) && dot.counter > before, 'a dot is issued once, in order');
  assert(Number.isSafeInteger(micros) && micros >= 0, 'microseconds are from 0 to 2^53 - 1');
  const scope: UpdateScope = {
    dot,
    micros,
    seen,
    removed: CausalContext.empty,
    // Nobody can have read of the actor what it has not written: such a context is of another key.
    context: update.context?.before(dot.actor, before + 1),
  };
  const delta = storeDelta(store, operation, scope);
  if ('kind' in delta) return delta;
  if (!isLiveStore(delta)) return { type, seen: CausalContext.empty, store: delta };
  // With the counters that the actor skipped: what they named, before a delete say, is gone for good.
  return { type, seen: CausalContext.ofRange(dot.actor, before + 1, dot.counter), store: delta };
}

function storeDelta(store: DotStore, operation: CrdtOperation, scope: UpdateScope): DotStore | Refusal {
  if (store.type === 'counter' && operation.kind === 'counter') {
    const tallies = counterDelta(store.tallies, [operation], scope);
    return 'kind' in tallies ? tallies : { type: store.type, tallies };
  }
  if (store.type === 'set' && operation.kind === 'set') {
    const set = setDelta(store.set, [operation], scope);
    return 'kind' in set ? set : { type: store.type, set };
  }
  assert(store.type === 'map' && operation.kind === 'map', 'the operation is of the type');
  const map = mapDelta(store.map, [operation], scope);
  return 'kind' in map ? map : { type: store.type, map };
}

/** The join of two values of one type; returns `left` itself if `right` adds nothing. */
export function joinCrdts(left: Crdt, right: Crdt): Crdt {
  if (left.type === 'gset' && right.type === 'gset') {
    const elements = joinGrowOnlySets(left.elements, right.elements);
    return elements === left.elements ? left : { type: left.type, elements };
  }
  if (left.type === 'hll' && right.type === 'hll') {
    const sketch = joinHyperLogLogs(left.sketch, right.sketch);
    return sketch === left.sketch ? left : { type: left.type, sketch };
  }
  assert('seen' in left && 'seen' in right && left.type === right.type, 'values of one type are joined');
  const store = joinStores(left.store, right.store, { left: left.seen, right: right.seen });
  const seen = left.seen.union(right.seen);
  return store === left.store && seen === left.seen ? left : { type: left.type, seen, store };
}

export type CrdtValue =
  | { readonly type: 'counter'; readonly value: bigint }
  /** In byte order. */
  | { readonly type: 'gset' | 'set'; readonly value: readonly ByteString[] }
  /** The estimate, an integer. */
  | { readonly type: 'hll'; readonly value: number }
  /** By name, then type. */
  | { readonly type: 'map'; readonly value: readonly MapEntry[] };

/** What clients see. */
export function valueOfCrdt(crdt: Crdt): CrdtValue {
  if (crdt.type === 'gset') return { type: crdt.type, value: crdt.elements.keys };
  if (crdt.type === 'hll') return { type: crdt.type, value: hyperLogLogValue(crdt.sketch) };
  const { store } = crdt;
  switch (store.type) {
    case 'counter':
      return { type: store.type, value: counterValue(store.tallies) };
    case 'set':
      return { type: store.type, value: setValue(store.set) };
    default:
      assert(store.type === 'map', 'registers and flags are in maps only');
      return { type: store.type, value: mapValue(store.map) };
  }
}

/** What a client must bring to remove what it read, maps within maps included; undefined if nothing can be removed. */
export function contextOfCrdt(crdt: Crdt): CausalContext | undefined {
  return crdt.type === 'map' || crdt.type === 'set' ? crdt.seen : undefined;
}
