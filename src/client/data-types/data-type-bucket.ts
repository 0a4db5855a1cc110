/** Buckets of data types: values that merge by themselves, so that no reader sees siblings and no writer a context. */
import type { CallOptions, ReadOptions, WriteOptions } from '../call-options.ts';
import type { Fields, MapChanges, MapValue, SetChange, SetField } from './fields.ts';

export interface DataTypeBucketOptions {
  /** The bucket type, which says what data type its buckets hold. */
  readonly type?: string;
}

/** `element` says what the members are; text, if absent. */
export interface SetBucketOptions<T> extends DataTypeBucketOptions {
  readonly element: SetField<T>['element'];
}

export interface MapBucketOptions<F extends Fields> extends DataTypeBucketOptions {
  readonly fields: F;
}

/** What the buckets of all data types can do. */
export interface DataTypeBucket {
  readonly name: string;
  readonly type: string;
  /** Deleting what is not there succeeds. What is written at the same time stays. */
  delete(key: string, options?: WriteOptions): Promise<void>;
  /** As `keys` of a `Bucket`. */
  keys(options?: CallOptions): AsyncIterableIterator<string>;
}

export interface CounterBucket extends DataTypeBucket {
  /** 0: nothing is stored. Rejects with `undecodable` beyond what a number holds exactly. */
  get(key: string, options?: ReadOptions): Promise<number>;
  /** As `get`, as large as it may be. */
  getExactly(key: string, options?: ReadOptions): Promise<bigint>;
  /** By 1, or by an integer that is negative to decrement. An increment of unknown outcome is not repeated. */
  increment(key: string, by?: number | bigint, options?: WriteOptions): Promise<void>;
}

/** Elements of a set that only grows. */
export interface GrowOnlySetBucket<T> extends DataTypeBucket {
  /** In the order of their bytes. Empty: nothing is stored. */
  get(key: string, options?: ReadOptions): Promise<ReadonlySet<T>>;
  add(key: string, elements: Iterable<T>, options?: WriteOptions): Promise<void>;
}

export interface SetBucket<T> extends GrowOnlySetBucket<T> {
  /** Reads first: what others add meanwhile stays. Removing what is not there succeeds. */
  remove(key: string, elements: Iterable<T>, options?: WriteOptions): Promise<void>;
  /** Both at once, all or nothing. */
  update(key: string, change: SetChange<T>, options?: WriteOptions): Promise<void>;
}

/** Distinct elements, counted roughly in a few kilobytes, however many there are (HyperLogLog). */
export interface CardinalityBucket<T> extends DataTypeBucket {
  /** An estimate of how many distinct elements were added. 0: nothing is stored. */
  count(key: string, options?: ReadOptions): Promise<number>;
  add(key: string, elements: Iterable<T>, options?: WriteOptions): Promise<void>;
}

export interface MapBucket<F extends Fields> extends DataTypeBucket {
  /** Undefined: nothing is stored. What is stored beside the fields that were named is not shown. */
  get(key: string, options?: ReadOptions): Promise<MapValue<F> | undefined>;
  /** All or nothing. Reads first if something is removed or switched off: what others write meanwhile stays. */
  update(key: string, changes: MapChanges<F>, options?: WriteOptions): Promise<void>;
  /** As `update`, under a new key made by the database, which it returns. */
  add(changes: MapChanges<F>, options?: WriteOptions): Promise<string>;
}
