export type { BucketProperties, BucketPropertyChanges, BucketTypeProperties } from './bucket-properties.ts';
export type { ByteRange, CallOptions, Quorum, ReadOptions, WriteOptions } from './call-options.ts';
export { type Context, contextOf } from './context.ts';
export type {
  CardinalityBucket,
  CounterBucket,
  DataTypeBucket,
  DataTypeBucketOptions,
  GrowOnlySetBucket,
  MapBucket,
  MapBucketOptions,
  SetBucket,
  SetBucketOptions,
} from './data-types/data-type-bucket.ts';
export { bytes, type Element, integer, json, text } from './data-types/element.ts';
export {
  type CounterChange,
  counter,
  type Field,
  type FieldChange,
  type Fields,
  type FieldValue,
  flag,
  type MapChanges,
  type MapValue,
  map,
  register,
  type SetChange,
  set,
} from './data-types/fields.ts';
export type {
  Bucket,
  BucketOptions,
  BucketTypeHandle,
  Database,
  DeleteOptions,
  Merge,
  PutOptions,
  SchemaBucketOptions,
  UpdateOptions,
} from './database.ts';
export { Deadline, timeoutMsMax } from './deadline.ts';
export type {
  Entry,
  IndexInput,
  IndexTerm,
  MetadataInput,
  Sibling,
  SiblingEntry,
} from './entry.ts';
export { type Change, type ChangesOptions, type FeedCursor, feedCursorOf } from './feed/changes.ts';
export { heartbeatMsOf } from './feed/heartbeat.ts';
export {
  closedError,
  HaleError,
  type HaleErrorCode,
  type HaleErrorOptions,
  isHaleError,
  type ValueIssue,
} from './hale-error.ts';
export { type FailedPhase, jobFailedError } from './job-failure.ts';
export type {
  IndexContinuation,
  IndexMatch,
  IndexPage,
  IndexPageOptions,
  IndexQueryOptions,
  IndexRange,
} from './query/index-query.ts';
export type {
  Json,
  MapFunction,
  MappedObject,
  MapReduceInputs,
  ObjectJob,
  ReduceFunction,
  ResultJob,
} from './query/map-reduce.ts';
export { openRemote, type RemoteDatabaseOptions } from './remote/open-remote.ts';
export type {
  BucketName,
  Cursor,
  DatatypeSnapshot,
  DatatypeUpdateOptions,
  DeleteOptions as TransportDeleteOptions,
  FeedEvent,
  FeedPage,
  FeedQuery,
  IndexBatch,
  IndexQuery,
  JsonJob,
  NameCursor,
  ObjectName,
  PutOptions as TransportPutOptions,
  PutOutcome,
  ReadValueOptions,
  StoredObject,
  StreamedValue,
  Transport,
  WriteCondition,
  WriteValueOptions,
} from './transport.ts';
export { type ClientEnvironment, databaseOver, timeoutMsDefault } from './transport-database.ts';
export { SourcePieces, type ValueSource } from './value-source.ts';
export type { BytesBucket, ReadStreamOptions, ValueStream, WriteStreamOptions } from './value-stream.ts';
