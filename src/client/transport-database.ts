/** The typed interface over any transport. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { Environment } from '../environment/index.ts';
import { bytesOfText } from '../stdx/index.ts';
import { checkPropertyNames } from './bucket-properties.ts';
import type { CallOptions } from './call-options.ts';
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
import { type Element, text } from './data-types/element.ts';
import type { Fields } from './data-types/fields.ts';
import {
  type DataTypeParts,
  TypedCardinalities,
  TypedCounters,
  TypedGrowOnlySets,
  TypedMaps,
  TypedSets,
} from './data-types/typed-data-types.ts';
import type { Bucket, BucketOptions, BucketTypeHandle, Database } from './database.ts';
import { Deadline } from './deadline.ts';
import { nameBytes } from './name-bytes.ts';
import { namesOf } from './name-iterator.ts';
import type { Transport } from './transport.ts';
import { TypedBucket, type TypedBucketParts } from './typed-bucket.ts';
import { TypedBytesBucket } from './typed-bytes-bucket.ts';
import { bytesCodec, jsonCodec, type ValueCodec } from './value-codec.ts';
import type { BytesBucket } from './value-stream.ts';

/** What the typed interface needs of the world. */
export type ClientEnvironment = Pick<Environment, 'clock' | 'timers' | 'random'>;

export const timeoutMsDefault = 30_000;

/** `timeoutMs` is the time of a call that is given none. The database owns the transport. */
export function databaseOver(
  transport: Transport,
  environment: ClientEnvironment,
  timeoutMs: number = timeoutMsDefault,
): Database {
  return new TransportDatabase(transport, environment, timeoutMs);
}

class TransportDatabase implements Database {
  readonly #transport: Transport;
  readonly #environment: ClientEnvironment;
  readonly #timeoutMs: number;

  constructor(transport: Transport, environment: ClientEnvironment, timeoutMs: number) {
    this.#transport = transport;
    this.#environment = environment;
    this.#timeoutMs = timeoutMs;
  }

  // The interface's overloads say more than an implementation can: the schema makes the types.
  bucket<In, Out>(
    name: string,
    options: BucketOptions<In, Out> & { readonly schema?: StandardSchemaV1 | undefined } = {},
  ): Bucket<In, Out> {
    return new TypedBucket(this.#parts(name, jsonCodec, options, options.schema));
  }

  bytes(name: string, options: BucketOptions<Uint8Array, Uint8Array> = {}): BytesBucket {
    return new TypedBytesBucket(this.#parts(name, bytesCodec as ValueCodec<unknown>, options, undefined));
  }

  counter(name: string, options: DataTypeBucketOptions = {}): CounterBucket {
    return new TypedCounters(this.#dataTypeParts(name, options));
  }

  // As above: who names no element gets text.
  set<T>(name: string, options: Partial<SetBucketOptions<T>> = {}): SetBucket<T> {
    return new TypedSets<T>(this.#dataTypeParts(name, options), elementOf(options));
  }

  growOnlySet<T>(name: string, options: Partial<SetBucketOptions<T>> = {}): GrowOnlySetBucket<T> {
    return new TypedGrowOnlySets<T>(this.#dataTypeParts(name, options), elementOf(options));
  }

  cardinality<T>(name: string, options: Partial<SetBucketOptions<T>> = {}): CardinalityBucket<T> {
    return new TypedCardinalities<T>(this.#dataTypeParts(name, options), elementOf(options));
  }

  map<F extends Fields>(name: string, options: MapBucketOptions<F>): MapBucket<F> {
    return new TypedMaps<F>(this.#dataTypeParts(name, options), options.fields);
  }

  bucketType(name: string): BucketTypeHandle {
    const bucketType = nameBytes('bucket type', name);
    return {
      name,
      properties: (options = {}) => this.#transport.typeProperties(bucketType, options),
      setProperties: async (changes, options = {}) => {
        checkPropertyNames(changes);
        await this.#transport.setTypeProperties(bucketType, changes, options);
      },
    };
  }

  buckets(options: CallOptions & { readonly type?: string } = {}): AsyncIterableIterator<string> {
    const bucketType = bytesOfText(options.type ?? 'default');
    return namesOf(() => this.#transport.listBuckets(bucketType, options));
  }

  ping(options: CallOptions = {}): Promise<void> {
    return this.#transport.ping(options);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #dataTypeParts(name: string, { type }: DataTypeBucketOptions): DataTypeParts {
    return { name, type, transport: this.#transport, deadline: (call) => this.#deadline(call) };
  }

  #deadline(call: CallOptions): Deadline {
    return new Deadline(this.#environment, call, this.#timeoutMs);
  }

  #parts<In, Out>(
    name: string,
    codec: ValueCodec<unknown>,
    options: BucketOptions<In, Out>,
    schema: StandardSchemaV1 | undefined,
  ): TypedBucketParts<In, Out> {
    return {
      name,
      transport: this.#transport,
      codec,
      options,
      schema,
      random: this.#environment.random,
      deadline: (call) => this.#deadline(call),
    };
  }
}

function elementOf<T>({ element }: Partial<SetBucketOptions<T>>): Element<T> {
  return element ?? (text as Element<unknown> as Element<T>);
}
