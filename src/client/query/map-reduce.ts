/**
 * MapReduce with functions of the application's own language. A job is made phase by phase, and nothing happens before
 * its results are asked for; then its functions run in the sandboxes of the node that takes it.
 */
import { textOfBytes } from '../../stdx/index.ts';
import type { CallOptions } from '../call-options.ts';
import type { IndexTerm } from '../entry.ts';
import type { BucketName, Transport } from '../transport.ts';
import { sourceOfFunction } from './function-source.ts';
import { taken } from './index-query.ts';

/** What goes through a job is JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Which objects: those of the keys, or those that an index query finds. */
export type MapReduceInputs =
  | { readonly keys: readonly string[] }
  | { readonly index: string; readonly equals: IndexTerm }
  | { readonly index: string; readonly from: IndexTerm; readonly to: IndexTerm };

/** What a map function is told besides the value. */
export interface MappedObject<V> {
  readonly bucketType: string;
  readonly bucket: string;
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** All that are concurrent; the value that the function is given is the latest of them. */
  readonly siblings: readonly V[];
  /** What came with the key: of a link its tag. Null if nothing did. */
  readonly keyData: Json;
}

/**
 * Runs at a node, once for each object that is found. It sees its arguments and nothing else: no variables from
 * around it, no imports. It returns a list, of no result, one or many.
 */
export type MapFunction<V, R, A> = (value: V, object: MappedObject<V>, arg: A) => readonly R[];

/**
 * Runs at a node, on some of the results and again on what it returned with some more; so what it returns must be of
 * the kind that it is given, and their order and grouping must not matter.
 */
export type ReduceFunction<T, A> = (values: readonly T[], arg: A) => readonly T[];

/** A job whose next phase reads objects with values of type `V`. */
export interface ObjectJob<V> {
  map<R>(run: MapFunction<V, R, undefined>): ResultJob<R>;
  /** `arg` is JSON, and sent with the function. */
  map<R, A extends Json>(run: MapFunction<V, R, A>, arg: A): ResultJob<R>;
  /** Their values; of siblings each. */
  values(): ResultJob<V>;
  /** The objects that these link to: into this bucket, with this tag; any, if absent. */
  link<L = unknown>(to?: { readonly bucket?: string; readonly tag?: string }): ObjectJob<L>;
}

/** A job with results of type `T`. */
export interface ResultJob<T> {
  reduce(run: ReduceFunction<T, undefined>): ResultJob<T>;
  reduce<A extends Json>(run: ReduceFunction<T, A>, arg: A): ResultJob<T>;
  /** One result: how many there were. */
  count(): ResultJob<number>;
  /** One result. */
  sum(this: ResultJob<number>): ResultJob<number>;
  /** One result, or none. */
  min(): ResultJob<T>;
  max(): ResultJob<T>;
  /** Ascending: numbers before text, text by its bytes. */
  sort(): ResultJob<T>;
  /** Each once, in no order. */
  distinct(): ResultJob<T>;
  /** The objects that results name, as `[bucket, key]`. */
  objects<V>(this: ResultJob<readonly [bucket: string, key: string]>): ObjectJob<V>;
  /**
   * All results. `timeoutMs` is for the whole job, here and at the node. Rejects with `job_failed` if a function
   * throws or takes more than it may.
   */
  run(options?: CallOptions): Promise<readonly T[]>;
  /** Results as they come. Leaving the loop ends the job. */
  results(options?: CallOptions): AsyncIterableIterator<T>;
}

type Phase = { readonly [kind in 'map' | 'reduce' | 'link']?: { readonly [member: string]: unknown } };

interface Draft {
  readonly transport: Transport;
  readonly inputs: unknown;
  readonly phases: readonly Phase[];
}

export function objectJob<V>(
  transport: Transport,
  bucket: BucketName,
  inputs: MapReduceInputs | undefined,
): ObjectJob<V> {
  return new Job({ transport, inputs: inputsOf(bucket, inputs), phases: [] }) as ObjectJob<V>;
}

function inputsOf({ bucketType, bucket }: BucketName, inputs: MapReduceInputs | undefined): unknown {
  const [type, name] = [textOfBytes(bucketType), textOfBytes(bucket)];
  const named = type === 'default' ? name : [type, name];
  if (inputs === undefined) return named;
  if ('keys' in inputs) {
    return inputs.keys.map((key) => (type === 'default' ? [name, key] : [name, key, null, type]));
  }
  const { index } = inputs;
  if ('equals' in inputs) return { bucket: named, index, key: String(inputs.equals) };
  return { bucket: named, index, start: String(inputs.from), end: String(inputs.to) };
}

/** Which of the two faces it shows is what the phase before has made of it. */
class Job<T> implements ResultJob<T> {
  readonly #draft: Draft;

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  map<R>(run: (...args: never[]) => unknown, arg?: Json): ResultJob<R> {
    return this.#with({
      map: { language: 'javascript', source: mapSource(sourceOfFunction(run)), ...argOf(arg) },
    });
  }

  values(): ResultJob<T> {
    return this.#with({ map: { language: 'javascript', name: 'Riak.mapValuesJson' } });
  }

  link<L>({ bucket, tag }: { readonly bucket?: string; readonly tag?: string } = {}): ObjectJob<L> {
    return this.#with<L>({ link: { bucket: bucket ?? '_', tag: tag ?? '_' } }) as unknown as ObjectJob<L>;
  }

  objects<V>(): ObjectJob<V> {
    return this as unknown as ObjectJob<V>;
  }

  reduce(run: (...args: never[]) => unknown, arg?: Json): ResultJob<T> {
    const source = `function (values, arg) { return ${sourceOfFunction(run)}(values, arg); }`;
    return this.#with({ reduce: { language: 'javascript', source, ...argOf(arg) } });
  }

  count(): ResultJob<number> {
    return this.#with(builtIn('reduce_count_inputs'));
  }

  sum(): ResultJob<number> {
    return this.#with(builtIn('reduce_sum'));
  }

  min(): ResultJob<T> {
    return this.#with({ reduce: { language: 'javascript', name: 'Riak.reduceMin' } });
  }

  max(): ResultJob<T> {
    return this.#with({ reduce: { language: 'javascript', name: 'Riak.reduceMax' } });
  }

  sort(): ResultJob<T> {
    return this.#with(builtIn('reduce_sort'));
  }

  distinct(): ResultJob<T> {
    return this.#with(builtIn('reduce_set_union'));
  }

  async run(options: CallOptions = {}): Promise<readonly T[]> {
    const all: T[] = [];
    for await (const result of this.results(options)) all.push(result);
    return all;
  }

  async *results(options: CallOptions = {}): AsyncGenerator<T, void, undefined> {
    const { transport, inputs, phases } = this.#draft;
    const cursor = transport.mapReduce({ inputs, query: phases }, options);
    // Trusted to be what the functions' types say.
    yield* taken(cursor, (results) => results as readonly T[]);
  }

  #with<R>(phase: Phase): Job<R> {
    return new Job<R>({ ...this.#draft, phases: [...this.#draft.phases, phase] });
  }
}

function argOf(arg: Json | undefined): { readonly arg?: Json } {
  return arg === undefined ? {} : { arg };
}

function builtIn(name: string): Phase {
  return { reduce: { language: 'erlang', module: 'riak_kv_mapreduce', function: name } };
}

/** From the object as nodes show it to what a map function of this client takes. */
function mapSource(source: string): string {
  return `function (object, keyData, arg) {
  if (object.not_found) return [];
  var live = object.values.filter(function (one) { return one.metadata['X-Riak-Deleted'] === undefined; });
  if (live.length === 0) return [];
  var siblings = live.map(function (one) { return JSON.parse(one.data); });
  var written = live.map(function (one) { return Date.parse(one.metadata['X-Riak-Last-Modified']); });
  var latest = written.lastIndexOf(Math.max.apply(null, written));
  return ${source}(siblings[latest], {
    bucketType: object.bucket_type, bucket: object.bucket, key: object.key,
    metadata: live[latest].metadata['X-Riak-Meta'] || {}, siblings: siblings,
    keyData: keyData === undefined ? null : keyData
  }, arg);
}`;
}
