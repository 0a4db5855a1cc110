/**
 * The way to a database, for the typed interface above it: over a network (`remote/`) or straight
 * into a node of the same process. Names are bytes here, values are encoded, and a version is what
 * the database keeps: siblings and an opaque context.
 *
 * Every method rejects with a `HaleError` and nothing else.
 */
import type { Buffer } from 'node:buffer';
import type { CrdtOperation, CrdtValue } from '../crdt/index.ts';
import type { ByteString } from '../stdx/index.ts';
import type { Content } from '../wire/index.ts';
import type { BucketProperties, BucketPropertyChanges } from './bucket-properties.ts';
import type { ByteRange, CallOptions, ReadOptions, WriteOptions } from './call-options.ts';
import type { ValueSource } from './value-source.ts';

export interface BucketName {
  /** `default` is the untyped namespace. */
  readonly bucketType: ByteString;
  readonly bucket: ByteString;
}

export interface ObjectName extends BucketName {
  readonly key: ByteString;
}

export interface StoredObject {
  /** Empty: a remembered delete. Values are owned by the receiver. */
  readonly siblings: readonly Content[];
  readonly context: Uint8Array;
}

/** The write happens only if nothing live is stored, or only if the stored version is that of `context`. */
export type WriteCondition = 'absent' | 'unchanged';

export interface PutOptions extends WriteOptions {
  readonly context?: Uint8Array;
  readonly condition?: WriteCondition;
  /** Ask for the stored version, its values left out. */
  readonly returnHead?: boolean;
}

export interface DeleteOptions extends WriteOptions {
  readonly context?: Uint8Array;
}

export interface PutOutcome {
  /** Present if it was asked for. */
  readonly stored?: StoredObject;
  /** Present if the put named no key. */
  readonly generatedKey?: ByteString;
}

export interface ReadValueOptions extends ReadOptions {
  readonly range?: ByteRange;
  /** Of several siblings the one with this tag. */
  readonly vtag?: ByteString | undefined;
}

export interface StreamedValue {
  /** Values left out. */
  readonly object: StoredObject;
  /** Of the whole value. Undefined: there are several siblings, and there is no value to read. */
  readonly bytes: number | undefined;
  /** Of the range; what is beyond the value is not. Owned by the receiver. */
  readonly pieces: Cursor<Buffer>;
}

export interface WriteValueOptions extends PutOptions {
  /** Bytes that the source will give, if that is known. */
  readonly length?: number;
}

export interface DatatypeSnapshot {
  readonly value: CrdtValue;
  /** What removals of what is seen here must bring; absent where nothing can be removed. */
  readonly context: Uint8Array | undefined;
}

export interface DatatypeUpdateOptions extends WriteOptions {
  readonly context?: Uint8Array | undefined;
}

/** Results that are pulled; the source waits for its consumer. */
export interface Cursor<Batch> {
  /** The next ones; undefined at the end. */
  next(): Promise<Batch | undefined>;
  /** Releases what the source holds. Must be called; more than once is harmless. */
  close(): Promise<void>;
}

/** At least one at a time. */
export type NameCursor = Cursor<readonly ByteString[]>;

export interface IndexQuery extends BucketName {
  /** In small letters. */
  readonly field: ByteString;
  readonly range:
    | { readonly kind: 'equal'; readonly term: ByteString }
    /** Both ends are part of it. */
    | { readonly kind: 'between'; readonly from: ByteString; readonly to: ByteString };
  readonly termPattern?: ByteString;
  /** Absent: all. */
  readonly maxResults?: number;
  readonly continuation?: ByteString;
}

export interface IndexBatch {
  /** `term` is absent where the query says it, or the key is it. */
  readonly entries: readonly { readonly key: ByteString; readonly term?: ByteString | undefined }[];
  /** With the last batch of a page that is not the last. */
  readonly continuation?: ByteString | undefined;
}

export interface FeedQuery extends BucketName {
  /** Only this key; or only keys that begin so. */
  readonly only?: { readonly kind: 'key' | 'prefix'; readonly name: ByteString };
  readonly since: 'now' | 'start' | { readonly cursor: string };
}

export type FeedEvent =
  | { readonly kind: 'gap' }
  | {
      readonly kind: 'changed' | 'deleted';
      readonly key: ByteString;
      readonly object: StoredObject | undefined;
      /** Since the Unix epoch. */
      readonly micros: number;
    };

export interface FeedPage {
  /** Perhaps none: then only time has passed. */
  readonly events: readonly FeedEvent[];
  /** Behind these events; absent: that comes with a later page. */
  readonly cursor: string | undefined;
}

export interface JsonJob {
  readonly inputs: unknown;
  readonly query: readonly unknown[];
}

export interface Transport {
  /** Undefined: nothing is stored, not even a remembered delete. */
  get(name: ObjectName, options: ReadOptions): Promise<StoredObject | undefined>;
  put(
    name: BucketName,
    key: ByteString | undefined,
    content: Content,
    options: PutOptions,
  ): Promise<PutOutcome>;
  /** Undefined: nothing is stored. A time that is given is for the whole; else each wait has its own. */
  readValue(name: ObjectName, options: ReadValueOptions): Promise<StreamedValue | undefined>;
  /** The value of `content` is not looked at. Nothing is stored unless the source ends well. Times as of `readValue`. */
  writeValue(
    name: BucketName,
    key: ByteString | undefined,
    content: Content,
    source: ValueSource,
    options: WriteValueOptions,
  ): Promise<PutOutcome>;
  /** Deleting what is not there succeeds. */
  delete(name: ObjectName, options: DeleteOptions): Promise<void>;
  /** Undefined: nothing is stored. */
  fetchDatatype(name: ObjectName, options: ReadOptions): Promise<DatatypeSnapshot | undefined>;
  /** Resolves to the key that was made if none was given. */
  updateDatatype(
    name: BucketName,
    key: ByteString | undefined,
    operation: CrdtOperation,
    options: DatatypeUpdateOptions,
  ): Promise<ByteString | undefined>;
  listKeys(name: BucketName, options: CallOptions): NameCursor;
  /** Keys of live objects. */
  countKeys(name: BucketName, options: CallOptions): Promise<number>;
  /** In the order of terms, then keys. */
  queryIndex(query: IndexQuery, options: CallOptions): Cursor<IndexBatch>;
  /** Changes as they come; ends when the node stops. */
  follow(feed: FeedQuery, options: CallOptions): Cursor<FeedPage>;
  /** Results of the last phase. */
  mapReduce(job: JsonJob, options: CallOptions): Cursor<readonly unknown[]>;
  listBuckets(bucketType: ByteString, options: CallOptions): NameCursor;
  properties(name: BucketName, options: CallOptions): Promise<BucketProperties>;
  setProperties(name: BucketName, changes: BucketPropertyChanges, options: CallOptions): Promise<void>;
  resetProperties(name: BucketName, options: CallOptions): Promise<void>;
  typeProperties(bucketType: ByteString, options: CallOptions): Promise<BucketProperties>;
  setTypeProperties(
    bucketType: ByteString,
    changes: BucketPropertyChanges,
    options: CallOptions,
  ): Promise<void>;
  ping(options: CallOptions): Promise<void>;
  /** Calls in progress reject with `closed`. More than once is harmless. */
  close(): Promise<void>;
}
