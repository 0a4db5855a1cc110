/** The typed interface over any transport. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { Environment } from '../environment/index.ts';
import { bytesOfText } from '../stdx/index.ts';
import type { CallOptions } from './call-options.ts';
import type { Bucket, BucketOptions, Database } from './database.ts';
import { Deadline } from './deadline.ts';
import { namesOf } from './name-iterator.ts';
import type { Transport } from './transport.ts';
import { TypedBucket } from './typed-bucket.ts';
import { bytesCodec, jsonCodec, type ValueCodec } from './value-codec.ts';

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
    return this.#open(name, jsonCodec, options, options.schema);
  }

  bytes(name: string, options: BucketOptions<Uint8Array, Uint8Array> = {}): Bucket<Uint8Array> {
    return this.#open(name, bytesCodec as ValueCodec<unknown>, options, undefined);
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

  #open<In, Out>(
    name: string,
    codec: ValueCodec<unknown>,
    options: BucketOptions<In, Out>,
    schema: StandardSchemaV1 | undefined,
  ): Bucket<In, Out> {
    return new TypedBucket<In, Out>({
      name,
      transport: this.#transport,
      codec,
      options,
      schema,
      random: this.#environment.random,
      deadline: (call) => new Deadline(this.#environment, call, this.#timeoutMs),
    });
  }
}
