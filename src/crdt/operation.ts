/**
 * What a client can ask of a data type, and the ways in which that is refused. The operation of one
 * request is applied whole or not at all.
 */
import type { ByteString } from '../stdx/index.ts';

export interface CounterOperation {
  readonly kind: 'counter';
  /** Negative to decrement; within 64 bits with a sign. */
  readonly increment: bigint;
}

export interface SetStep {
  readonly kind: 'add' | 'remove';
  readonly elements: readonly ByteString[];
}

/**
 * Steps are applied in their order. Riak's is: over Protocol Buffers all adds, then all removes; over HTTP
 * as the members of the JSON object stand.
 */
export interface SetOperation {
  readonly kind: 'set';
  readonly steps: readonly SetStep[];
}

export interface RegisterOperation {
  readonly kind: 'register';
  readonly value: ByteString;
}

export interface FlagOperation {
  readonly kind: 'flag';
  readonly enable: boolean;
}

export type MapFieldType = 'counter' | 'flag' | 'map' | 'register' | 'set';

/** Fields of one name and several types are several fields. */
export interface MapField {
  readonly name: ByteString;
  readonly type: MapFieldType;
}

export interface MapUpdate {
  readonly field: MapField;
  readonly operation: FieldOperation;
}

/** All removes come before all updates, so that both of one field reset it. */
export interface MapOperation {
  readonly kind: 'map';
  readonly removes: readonly MapField[];
  readonly updates: readonly MapUpdate[];
}

export type FieldOperation =
  | CounterOperation
  | FlagOperation
  | MapOperation
  | RegisterOperation
  | SetOperation;

export interface GrowOnlySetOperation {
  readonly kind: 'gset';
  readonly adds: readonly ByteString[];
}

export interface HyperLogLogOperation {
  readonly kind: 'hll';
  readonly adds: readonly ByteString[];
}

export type CrdtOperation =
  | CounterOperation
  | GrowOnlySetOperation
  | HyperLogLogOperation
  | MapOperation
  | SetOperation;

/** Why nothing was done. */
export type Refusal =
  /** A removal without context names what is not there: Riak's `{precondition,{not_present,…}}`. */
  | { readonly kind: 'element_not_present'; readonly element: ByteString }
  | { readonly kind: 'field_not_present'; readonly field: MapField }
  /** The operation is for another type than the data type or the map's field. */
  | { readonly kind: 'type_mismatch'; readonly expected: string; readonly actual: string }
  /** Maps in maps nest beyond `nestingMax`. */
  | { readonly kind: 'nested_too_deep'; readonly nestingMax: number }
  /** An increment that does not fit into 64 bits with a sign, or a counter that would grow beyond its bounds. */
  | { readonly kind: 'increment_out_of_range'; readonly increment: bigint };

/**
 * Maps within a map, the outermost counted. As deep as one request of either API can reach, and as clients can read:
 * readers of Protocol Buffers commonly stop at 64 messages within each other, and an update takes two for each map.
 */
export const nestingMax = 30;
