/** CRDTs, and the counters that came before them. */
import type { ByteString } from '../../stdx/index.ts';
import {
  frame,
  type LazyMessage,
  type MessageType,
  nested,
  optional,
  repeated,
  required,
} from '../message-type.ts';

/** MapField.type. */
export const mapFieldType = { counter: 1, set: 2, register: 3, flag: 4, map: 5 } as const;
/** DtFetchResp.type. */
export const dataType = { counter: 1, set: 2, map: 3, hll: 4, gset: 5 } as const;
/** MapUpdate.flag_op. */
export const flagOp = { enable: 1, disable: 2 } as const;

export interface MapField {
  readonly name: ByteString;
  readonly type: number;
}

export interface MapEntry {
  readonly field: MapField;
  readonly counter_value?: bigint | undefined;
  readonly set_value: readonly ByteString[];
  readonly register_value?: ByteString | undefined;
  readonly flag_value?: boolean | undefined;
  readonly map_value: readonly MapEntry[];
}

export interface MapOp {
  readonly removes: readonly MapField[];
  readonly updates: readonly MapUpdate[];
}

export interface MapUpdate {
  readonly field: MapField;
  readonly counter_op?: { readonly increment?: bigint | undefined } | undefined;
  readonly set_op?:
    | { readonly adds: readonly ByteString[]; readonly removes: readonly ByteString[] }
    | undefined;
  readonly register_op?: ByteString | undefined;
  readonly flag_op?: number | undefined;
  readonly map_op?: MapOp | undefined;
}

const lazyMapEntry: LazyMessage<MapEntry> = { lazy: () => mapEntry };
const lazyMapOp: LazyMessage<MapOp> = { lazy: () => mapOp };

export const mapField = nested('MapField', { name: required(1, 'name'), type: required(2, 'uint32') });
export const mapEntry: MessageType<MapEntry> = nested('MapEntry', {
  field: required(1, mapField),
  counter_value: optional(2, 'sint64'),
  set_value: repeated(3, 'name'),
  register_value: optional(4, 'name'),
  flag_value: optional(5, 'bool'),
  map_value: repeated(6, lazyMapEntry),
});
export const dtValue = nested('DtValue', {
  counter_value: optional(1, 'sint64'),
  set_value: repeated(2, 'name'),
  map_value: repeated(3, mapEntry),
  hll_value: optional(4, 'uint64'),
  gset_value: repeated(5, 'name'),
});

export const counterOp = nested('CounterOp', { increment: optional(1, 'sint64') });
export const setOp = nested('SetOp', { adds: repeated(1, 'name'), removes: repeated(2, 'name') });
export const gsetOp = nested('GSetOp', { adds: repeated(1, 'name') });
export const hllOp = nested('HllOp', { adds: repeated(1, 'name') });
export const mapUpdate: MessageType<MapUpdate> = nested('MapUpdate', {
  field: required(1, mapField),
  counter_op: optional(2, counterOp),
  set_op: optional(3, setOp),
  register_op: optional(4, 'name'),
  flag_op: optional(5, 'uint32'),
  map_op: optional(6, lazyMapOp),
});
export const mapOp: MessageType<MapOp> = nested('MapOp', {
  removes: repeated(1, mapField),
  updates: repeated(2, mapUpdate),
});
export const dtOp = nested('DtOp', {
  counter_op: optional(1, counterOp),
  set_op: optional(2, setOp),
  map_op: optional(3, mapOp),
  hll_op: optional(4, hllOp),
  gset_op: optional(5, gsetOp),
});

export const dtFetchReq = frame('DtFetchReq', 80, {
  bucket: required(1, 'name'),
  key: required(2, 'name'),
  type: required(3, 'name'),
  r: optional(4, 'uint32'),
  pr: optional(5, 'uint32'),
  basic_quorum: optional(6, 'bool'),
  notfound_ok: optional(7, 'bool'),
  timeout: optional(8, 'uint32'),
  sloppy_quorum: optional(9, 'bool'),
  n_val: optional(10, 'uint32'),
  include_context: optional(11, 'bool'),
  node_confirms: optional(12, 'uint32'),
});
export const dtFetchResp = frame('DtFetchResp', 81, {
  context: optional(1, 'slice'),
  type: required(2, 'uint32'),
  value: optional(3, dtValue),
});
export const dtUpdateReq = frame('DtUpdateReq', 82, {
  bucket: required(1, 'name'),
  key: optional(2, 'name'),
  type: required(3, 'name'),
  context: optional(4, 'slice'),
  op: required(5, dtOp),
  w: optional(6, 'uint32'),
  dw: optional(7, 'uint32'),
  pw: optional(8, 'uint32'),
  return_body: optional(9, 'bool'),
  timeout: optional(10, 'uint32'),
  sloppy_quorum: optional(11, 'bool'),
  n_val: optional(12, 'uint32'),
  include_context: optional(13, 'bool'),
  node_confirms: optional(14, 'uint32'),
});
export const dtUpdateResp = frame('DtUpdateResp', 83, {
  key: optional(1, 'name'),
  context: optional(2, 'slice'),
  counter_value: optional(3, 'sint64'),
  set_value: repeated(4, 'name'),
  map_value: repeated(5, mapEntry),
  hll_value: optional(6, 'uint64'),
  gset_value: repeated(7, 'name'),
});

export const rpbCounterUpdateReq = frame('RpbCounterUpdateReq', 50, {
  bucket: required(1, 'name'),
  key: required(2, 'name'),
  amount: required(3, 'sint64'),
  w: optional(4, 'uint32'),
  dw: optional(5, 'uint32'),
  pw: optional(6, 'uint32'),
  returnvalue: optional(7, 'bool'),
  node_confirms: optional(8, 'uint32'),
});
export const rpbCounterUpdateResp = frame('RpbCounterUpdateResp', 51, { value: optional(1, 'sint64') });
export const rpbCounterGetReq = frame('RpbCounterGetReq', 52, {
  bucket: required(1, 'name'),
  key: required(2, 'name'),
  r: optional(3, 'uint32'),
  pr: optional(4, 'uint32'),
  basic_quorum: optional(5, 'bool'),
  notfound_ok: optional(6, 'bool'),
  node_confirms: optional(7, 'uint32'),
});
export const rpbCounterGetResp = frame('RpbCounterGetResp', 53, { value: optional(1, 'sint64') });
