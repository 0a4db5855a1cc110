/**
 * The database as its APIs, the embedded client and the simulator see it. One instance a node; any
 * node takes any request.
 *
 * Point operations call back instead of returning a promise: on the hot path a promise per request
 * costs as much as the work. `done` is called exactly once, perhaps before the method returns.
 */
import type { Buffer } from 'node:buffer';
import type { ByteString } from '../stdx/index.ts';
import type { BucketProperties, BucketPropertyChanges } from './bucket-properties.ts';
import type { BucketTypeRefusal } from './bucket-type.ts';
import type { KvError } from './kv-error.ts';
import type { VersionedObject } from './object/index.ts';
import type { QuorumValue } from './quorum-value.ts';

export interface BucketAddress {
  /** `default` is the untyped namespace. */
  readonly bucketType: ByteString;
  readonly bucket: ByteString;
}

export interface ObjectAddress extends BucketAddress {
  readonly key: ByteString;
}

export interface ReadOptions {
  readonly r?: QuorumValue;
  readonly pr?: QuorumValue;
  readonly basicQuorum?: boolean;
  readonly notfoundOk?: boolean;
  readonly nodeConfirms?: QuorumValue;
  readonly sloppyQuorum?: boolean;
  readonly nVal?: number;
  /** Milliseconds for the whole request; the configured default (60,000) if absent or 0. */
  readonly timeoutMs?: number;
}

export interface WriteOptions {
  readonly w?: QuorumValue;
  readonly dw?: QuorumValue;
  readonly pw?: QuorumValue;
  readonly nodeConfirms?: QuorumValue;
  readonly sloppyQuorum?: boolean;
  readonly nVal?: number;
  readonly timeoutMs?: number;
  readonly syncOnWrite?: 'backend' | 'one' | 'all';
}

export interface GetRequest extends ObjectAddress, ReadOptions {
  /** Metadata only; the values in the result are empty. */
  readonly head?: boolean;
  /** A context: if the stored object has just this clock, the answer is `unchanged`. */
  readonly ifModified?: Uint8Array;
  /** Values that are kept in chunks are left there, and shown as empty. */
  readonly leaveChunks?: boolean;
}

export type GetResult =
  | { readonly kind: 'found'; readonly object: VersionedObject }
  | { readonly kind: 'unchanged' }
  /** `tombstone` is there when a delete is remembered: its context lets the key be used again. */
  | { readonly kind: 'notfound'; readonly tombstone?: VersionedObject }
  | { readonly kind: 'failed'; readonly error: KvError };

export interface PutRequest extends BucketAddress, WriteOptions {
  /** Absent: the store makes a unique one and returns it. */
  readonly key?: ByteString;
  /** The opaque context of an earlier read; absent or empty: concurrent with everything stored. */
  readonly context?: Uint8Array;
  /** One encoded RpbContent. It is copied before the method returns. */
  readonly content: Uint8Array;
  readonly returnObject?: 'no' | 'head' | 'body';
  /** Store only if nothing live is stored. */
  readonly ifNoneMatch?: boolean;
  /** Store only if the stored clock is that of `context`. */
  readonly ifNotModified?: boolean;
  /** Store with the clock of `context` as it is, uncoordinated; for replication between clusters. */
  readonly asis?: boolean;
  /** Of the store's own making, never a client's: where the value is that the content does not have. */
  readonly manifest?: Buffer;
  /** Of a result that is wanted: as in `GetRequest`. */
  readonly leaveChunks?: boolean;
}

export type PutResult =
  /** `object`: if it was wanted; not if a value of it is in chunks that could not be put together. */
  | { readonly kind: 'stored'; readonly object?: VersionedObject; readonly generatedKey?: ByteString }
  | { readonly kind: 'failed'; readonly error: KvError };

export interface DeleteRequest extends ObjectAddress, WriteOptions {
  readonly r?: QuorumValue;
  readonly pr?: QuorumValue;
  /** Legacy: the quorum of both phases where `r` or `w` is not given. */
  readonly rw?: QuorumValue;
  /** Given: no read first; a tombstone is written that covers just this context. */
  readonly context?: Uint8Array;
}

export type DeleteResult =
  | { readonly kind: 'deleted' }
  | { readonly kind: 'notfound' }
  | { readonly kind: 'failed'; readonly error: KvError };

export interface ListOptions {
  readonly timeoutMs?: number;
}

/** Results that are pulled: what is read ahead of the consumer is bounded. */
export interface ResultStream<Item> {
  /** The next ones, at least one; undefined at the end. Rejects with `KvFailure`. */
  next(): Promise<readonly Item[] | undefined>;
  /** Releases what it holds. Must be called when the consumer stops early; harmless otherwise. */
  close(): Promise<void>;
}

export type NameStream = ResultStream<ByteString>;

/** A `KvError` where a promise must carry it. */
export class KvFailure extends Error {
  override readonly name = 'KvFailure';
  readonly error: KvError;
  constructor(error: KvError) {
    super(error.code);
    this.error = error;
  }
}

export interface KeyValueStore {
  /**
   * Whether a request of this kind is refused as `overload` just now: for who would rather not read it first. What
   * is said to be refused is counted as such, and must not be asked.
   */
  refuses?(work: 'read' | 'write'): boolean;
  get(request: GetRequest, done: (result: GetResult) => void): void;
  put(request: PutRequest, done: (result: PutResult) => void): void;
  delete(request: DeleteRequest, done: (result: DeleteResult) => void): void;

  /** Keys in byte order, those of unreaped tombstones included (spec: "the fold sees stored keys only"). */
  listKeys(address: BucketAddress, options: ListOptions): NameStream;
  /** Buckets of a type that hold at least one key. */
  listBuckets(bucketType: ByteString, options: ListOptions): NameStream;

  /** Undefined: there is no such bucket type, or it is not active. */
  properties(address: BucketAddress): BucketProperties | undefined;
  /** All or nothing. Resolves when durable. Rejects with `KvFailure`. */
  setProperties(address: BucketAddress, changes: BucketPropertyChanges): Promise<void>;
  resetProperties(address: BucketAddress): Promise<void>;
  /** Of an active type. As `setProperties`; resolves with why nothing was changed, if so. */
  setTypeProperties(
    bucketType: ByteString,
    changes: BucketPropertyChanges,
  ): Promise<BucketTypeRefusal | undefined>;
}

/** One text for each address, for maps: names may hold any character. */
export function addressName({ bucketType, bucket, key }: ObjectAddress): string {
  return `${bucketType.length} ${bucket.length} ${bucketType}${bucket}${key}`;
}
