export type { BucketProperties, BucketPropertyChanges } from './bucket-properties.ts';
export type { CallOptions, Quorum, ReadOptions, WriteOptions } from './call-options.ts';
export { type Context, contextOf } from './context.ts';
export type {
  Bucket,
  BucketOptions,
  Database,
  DeleteOptions,
  Merge,
  PutOptions,
  SchemaBucketOptions,
  UpdateOptions,
} from './database.ts';
export type {
  Entry,
  IndexInput,
  IndexTerm,
  MetadataInput,
  Sibling,
  SiblingEntry,
} from './entry.ts';
export {
  HaleError,
  type HaleErrorCode,
  type HaleErrorOptions,
  isHaleError,
  type ValueIssue,
} from './hale-error.ts';
export type * as transport from './transport.ts';
export { type ClientEnvironment, databaseOver } from './transport-database.ts';
