export type { CrdtDecoder } from './crdt-decoder.ts';
export { type DatatypeDelta, deltaOfUpdate, objectAfterDelta, readDelta } from './datatype-delta.ts';
export {
  type Datatype,
  type DatatypeUpdate,
  type DatatypeUpdated,
  type DatatypeUpdateResult,
  readDatatype,
  type StoredDatatype,
  type UpdateStamp,
  updateDatatype,
  withDatatypeJoined,
} from './datatype-object.ts';
export { type DatatypeWrite, decodeDatatypeWrite, encodeDatatypeWrite } from './datatype-write.ts';
export { DecodedValues } from './decoded-values.ts';
