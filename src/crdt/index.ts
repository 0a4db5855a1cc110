export { CausalContext, type ContextEntry } from './causal-context.ts';
export { decodeContext, encodeContext } from './context-encoding.ts';
export {
  type Crdt,
  type CrdtType,
  type CrdtUpdate,
  type CrdtValue,
  contextOfCrdt,
  emptyCrdt,
  joinCrdts,
  type UpdateResult,
  updateCrdt,
  valueOfCrdt,
} from './crdt.ts';
export { decodeCrdt, encodeCrdt } from './crdt-encoding.ts';
export type { FieldValue, MapEntry } from './crdt-map.ts';
export { CrdtFormatError } from './crdt-reader.ts';
export { type EncodedCrdt, encodeCrdtAfter } from './encoding-by-splice.ts';
export { HyperLogLog, precisionMax, precisionMin } from './hyperloglog.ts';
export {
  type CounterOperation,
  type CrdtOperation,
  type FieldOperation,
  type FlagOperation,
  type GrowOnlySetOperation,
  type HyperLogLogOperation,
  type MapField,
  type MapFieldType,
  type MapOperation,
  type MapUpdate,
  nestingMax,
  type Refusal,
  type RegisterOperation,
  type SetOperation,
  type SetStep,
} from './operation.ts';
export { checkOperation, decodeOperation, encodeOperation } from './operation-encoding.ts';
