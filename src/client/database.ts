/**
 * The database as an application sees it: the same whether a node runs in its process or elsewhere.
 * Every method rejects with a `HaleError`.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { BucketProperties, BucketPropertyChanges } from './bucket-properties.ts';
import type { CallOptions, ReadOptions, WriteOptions } from './call-options.ts';
import type { Context } from './context.ts';
import type {
  CardinalityBucket,
  CounterBucket,
  DataTypeBucketOptions,
  GrowOnlySetBucket,
  MapBucket,
  MapBucketOptions,
  SetBucket,
  SetBucketOptions,
} from './data-types/data-type-bucket.ts';
import type { Fields } from './data-types/fields.ts';
import type { Entry, IndexInput, MetadataInput, Sibling, SiblingEntry } from './entry.ts';
import type { Change, ChangesOptions } from './feed/changes.ts';
import type {
  IndexMatch,
  IndexPage,
  IndexPageOptions,
  IndexQueryOptions,
  IndexRange,
} from './query/index-query.ts';
import type { MapReduceInputs, ObjectJob } from './query/map-reduce.ts';
import type { BytesBucket } from './value-stream.ts';

/** `latest`: the sibling written last by its coordinator's clock stays; the others are lost. */
export type Merge<T> = 'latest' | ((siblings: readonly Sibling<T>[]) => T);

export interface BucketOptions<In, Out> {
  /** The bucket type; `default`, the untyped namespace, if absent. */
  readonly type?: string;
  /**
   * Makes one value of concurrent ones; must not depend on their order. Called on reads and updates;
   * the next write stores what it made. Without it, a read that meets siblings fails with `siblings`.
   */
  readonly merge?: Merge<Out>;
  /** Index entries of every value that is written and not given others. */
  readonly indexes?: (value: In) => IndexInput;
}

export interface SchemaBucketOptions<Schema extends StandardSchemaV1>
  extends BucketOptions<StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>> {
  /**
   * Checks every value that is written, which is stored as given; and every value that is read, which
   * is returned as the schema makes it. Any Standard Schema: zod, valibot, arktype.
   */
  readonly schema: Schema;
}

export interface PutOptions extends WriteOptions {
  /** Write only if nothing is stored; otherwise `exists`. Two writers at once may both succeed. */
  readonly ifAbsent?: boolean;
  /** Write only if this version is stored; otherwise `changed`. Two writers at once may both succeed. */
  readonly ifUnchanged?: Context;
  /** The version that this value replaces. Without it the write is concurrent with what is stored. */
  readonly context?: Context;
  readonly contentType?: string;
  /** Whole seconds until the value is gone; 0: for ever, whatever the bucket's `ttl` says, which holds otherwise. */
  readonly ttlSeconds?: number;
  readonly metadata?: MetadataInput;
  readonly indexes?: IndexInput;
}

export interface UpdateOptions extends WriteOptions, ReadOptions {
  /** As for `put`: each write says it anew. */
  readonly ttlSeconds?: number;
  /** Replaces the metadata, which otherwise stays. */
  readonly metadata?: MetadataInput;
  /** Replaces the index entries, which otherwise stay, unless the bucket derives them. */
  readonly indexes?: IndexInput;
}

export interface DeleteOptions extends WriteOptions {
  /** Delete just this version; what was written concurrently stays. */
  readonly context?: Context;
}

export interface Bucket<In, Out = In> {
  readonly name: string;
  readonly type: string;
  /** Undefined: nothing is stored. */
  get(key: string, options?: ReadOptions): Promise<Out | undefined>;
  /** The value with its metadata and context. */
  entry(key: string, options?: ReadOptions): Promise<Entry<Out> | undefined>;
  /** All concurrent values, unmerged. A deleted object may answer with none, and a context. */
  siblings(key: string, options?: ReadOptions): Promise<SiblingEntry<Out> | undefined>;
  /**
   * One write, no read. Where the bucket keeps siblings, a put without `context` or `ifUnchanged` makes
   * one beside what is stored: use `update` to replace.
   */
  put(key: string, value: In, options?: PutOptions): Promise<void>;
  /** Stores under a new key made by the database, and returns it. */
  add(value: In, options?: Omit<PutOptions, 'ifAbsent' | 'ifUnchanged' | 'context'>): Promise<string>;
  /**
   * Reads, merges siblings, calls `change`, and writes if nobody wrote in between; otherwise begins
   * again, so `change` may run several times and must have no other effect. Undefined from `change`
   * means: leave it. Resolves to the value as stored. A write with unknown outcome is not repeated.
   *
   * Two updates at the same instant may both pass the check: a bucket that keeps siblings merges
   * them at the next read, another keeps the later.
   */
  update(
    key: string,
    change: (current: Out | undefined) => In | undefined | Promise<In | undefined>,
    options?: UpdateOptions,
  ): Promise<Out | undefined>;
  /** Deleting what is not there succeeds. */
  delete(key: string, options?: DeleteOptions): Promise<void>;
  /**
   * Every key, in no order, read as UTF-8. Keys deleted a moment ago may be among them. Leaving the
   * loop releases the cursor.
   */
  keys(options?: CallOptions): AsyncIterableIterator<string>;
  /**
   * How many keys there are, counted by the nodes: no name travels. Exact when nothing is being written and the replicas
   * agree. Reads all names of the bucket once, on the nodes that have them.
   */
  count(options?: CallOptions): Promise<number>;
  /**
   * What is changed in the bucket, whose property `feed` has to be true: at least once, of each key in order, its newest
   * state rather than every one. Goes on when nodes fail; ends by `break` or the signal.
   */
  changes(options?: ChangesOptions): AsyncIterableIterator<Change<Out>>;
  /** The same of one key; begins with what is there, unless `since` says otherwise. */
  watch(key: string, options?: Omit<ChangesOptions, 'prefix'>): AsyncIterableIterator<Change<Out>>;
  /**
   * Keys by a secondary index (`name_bin`, `name_int`), or by themselves (`$key`); in the order of terms, then keys.
   * Leaving the loop ends the query.
   */
  query(index: string, range: IndexRange, options?: IndexQueryOptions): AsyncIterableIterator<IndexMatch>;
  /** As `query`, a page at a time; a page's `continuation` begins the next one, whenever and by whomever it is asked. */
  pages(index: string, range: IndexRange, options: IndexPageOptions): AsyncIterableIterator<IndexPage>;
  /**
   * A MapReduce job over all objects, or over some. Values are as they are stored. Throws `invalid_argument` in a
   * bucket of raw bytes.
   */
  mapReduce(inputs?: MapReduceInputs): ObjectJob<In>;
  properties(options?: CallOptions): Promise<BucketProperties>;
  /** Changes the properties given; durable when resolved. */
  setProperties(changes: BucketPropertyChanges, options?: CallOptions): Promise<void>;
  /** Back to those of the bucket type. */
  resetProperties(options?: CallOptions): Promise<void>;
}

/** A bucket type that is active; who administers the database makes them. */
export interface BucketTypeHandle {
  readonly name: string;
  /** What its buckets have that have none of their own. */
  properties(options?: CallOptions): Promise<BucketProperties>;
  /** Changes the properties given; durable when resolved. What kind of values its buckets hold never changes. */
  setProperties(changes: BucketPropertyChanges, options?: CallOptions): Promise<void>;
}

export interface Database extends AsyncDisposable {
  /** JSON values, checked by a schema. */
  bucket<Schema extends StandardSchemaV1>(
    name: string,
    options: SchemaBucketOptions<Schema>,
  ): Bucket<StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>>;
  /** JSON values that are trusted to be of type `T`. */
  bucket<T = unknown>(
    name: string,
    options?: BucketOptions<T, T> & { readonly schema?: undefined },
  ): Bucket<T>;
  /** Raw bytes; values of any length, in pieces. */
  bytes(name: string, options?: BucketOptions<Uint8Array, Uint8Array>): BytesBucket;
  /** Counters. The bucket type is `counters` if absent. */
  counter(name: string, options?: DataTypeBucketOptions): CounterBucket;
  /** Sets of text, or of what `element` says. The bucket type is `sets` if absent. */
  set(name: string, options?: DataTypeBucketOptions): SetBucket<string>;
  set<T>(name: string, options: SetBucketOptions<T>): SetBucket<T>;
  /** Sets that only grow. The bucket type is `gsets` if absent. */
  growOnlySet(name: string, options?: DataTypeBucketOptions): GrowOnlySetBucket<string>;
  growOnlySet<T>(name: string, options: SetBucketOptions<T>): GrowOnlySetBucket<T>;
  /** Estimates of how many distinct elements there are (HyperLogLog). The bucket type is `hlls` if absent. */
  cardinality(name: string, options?: DataTypeBucketOptions): CardinalityBucket<string>;
  cardinality<T>(name: string, options: SetBucketOptions<T>): CardinalityBucket<T>;
  /** Maps of registers, flags, counters, sets and maps. The bucket type is `maps` if absent. */
  map<const F extends Fields>(name: string, options: MapBucketOptions<F>): MapBucket<F>;
  /** A bucket type other than `default`, whose properties are the node's configuration. */
  bucketType(name: string): BucketTypeHandle;
  /** Buckets of a type (`default` if absent) that hold at least one key. Expensive. */
  buckets(options?: CallOptions & { readonly type?: string }): AsyncIterableIterator<string>;
  /** Resolves if a node answers. */
  ping(options?: CallOptions): Promise<void>;
  /** Idempotent. Calls in progress reject with `closed`. */
  close(): Promise<void>;
}
