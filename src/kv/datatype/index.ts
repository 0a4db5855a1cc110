export {
  type Datatype,
  type DatatypeUpdate,
  type DatatypeUpdateResult,
  readDatatype,
  type StoredDatatype,
  type UpdateStamp,
  updateDatatype,
  withDatatypeJoined,
} from './datatype-object.ts';
