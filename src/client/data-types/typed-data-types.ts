/** Buckets of data types over a transport. */
import type { CrdtOperation, CrdtType, CrdtValue } from '../../crdt/index.ts';
import { textOfBytes } from '../../stdx/index.ts';
import type { CallOptions, ReadOptions, WriteOptions } from '../call-options.ts';
import type { Deadline } from '../deadline.ts';
import { HaleError, isHaleError } from '../hale-error.ts';
import { nameBytes } from '../name-bytes.ts';
import { namesOf } from '../name-iterator.ts';
import type { BucketName, Transport } from '../transport.ts';
import { counterNumber, incrementOf } from './counter-number.ts';
import type {
  CardinalityBucket,
  CounterBucket,
  DataTypeBucket,
  MapBucket,
  SetBucket,
} from './data-type-bucket.ts';
import type { Element } from './element.ts';
import type { Fields, MapChanges, MapValue, SetChange } from './fields.ts';
import { elementsOf, mapOperationOf, mapValueOf, setOperationOf, setValueOf } from './map-operation.ts';
import { hasRemovals, withoutRemovals } from './removals.ts';

/** The bucket types that Riak's documentation has taught everybody to use. */
const usualTypes: Readonly<Record<CrdtType, string>> = {
  counter: 'counters',
  set: 'sets',
  gset: 'gsets',
  map: 'maps',
  hll: 'hlls',
};

export interface DataTypeParts {
  readonly name: string;
  /** Of the bucket type; the usual one if absent. */
  readonly type: string | undefined;
  readonly transport: Transport;
  readonly deadline: (options: CallOptions) => Deadline;
}

type ValueOf<K extends CrdtType> = Extract<CrdtValue, { readonly type: K }>['value'];

/** What they share: reads, removals that read first, and errors that say what to do. */
class TransportDataTypes<K extends CrdtType> implements DataTypeBucket {
  readonly name: string;
  readonly type: string;
  readonly #kind: K;
  readonly #parts: DataTypeParts;
  readonly #bucket: BucketName;

  constructor(kind: K, parts: DataTypeParts) {
    this.name = parts.name;
    this.type = parts.type ?? usualTypes[kind];
    this.#kind = kind;
    this.#parts = parts;
    this.#bucket = {
      bucketType: nameBytes('bucket type', this.type),
      bucket: nameBytes('bucket', this.name),
    };
  }

  async delete(key: string, options: WriteOptions = {}): Promise<void> {
    await this.#parts.transport.delete({ ...this.#bucket, key: nameBytes('key', key) }, options);
  }

  keys(options: CallOptions = {}): AsyncIterableIterator<string> {
    return namesOf(() => this.#parts.transport.listKeys(this.#bucket, options));
  }

  protected async read(key: string, options: ReadOptions): Promise<ValueOf<K> | undefined> {
    return (await this.#fetch(key, options))?.value;
  }

  /** `timeoutMs` is for the read and the write together. */
  protected async write(key: string, operation: CrdtOperation, options: WriteOptions): Promise<void> {
    const keyBytes = nameBytes('key', key);
    if (!hasRemovals(operation)) {
      await this.#update(keyBytes, operation, options);
      return;
    }
    const deadline = this.#parts.deadline(options);
    const { signal } = options;
    const seen = await this.#fetch(key, { signal, timeoutMs: deadline.remainingMs() });
    const needed = seen === undefined ? withoutRemovals(operation) : operation;
    if (needed === undefined) return;
    deadline.check();
    await this.#update(keyBytes, needed, { ...options, timeoutMs: deadline.remainingMs() }, seen?.context);
  }

  protected async create(operation: CrdtOperation, options: WriteOptions): Promise<string> {
    const key = await this.#update(undefined, operation, options);
    if (key !== undefined) return textOfBytes(key);
    const text = 'the node stored a value and did not tell its key';
    throw new HaleError('protocol', text, { unknownOutcome: true });
  }

  async #fetch(key: string, options: ReadOptions) {
    const name = { ...this.#bucket, key: nameBytes('key', key) };
    const snapshot = await this.#explained(() => this.#parts.transport.fetchDatatype(name, options));
    if (snapshot === undefined) return undefined;
    const { value, context } = snapshot;
    if (value.type !== this.#kind) throw this.#otherType(value.type);
    return { value: value.value as ValueOf<K>, context };
  }

  #update(
    key: ReturnType<typeof nameBytes> | undefined,
    operation: CrdtOperation,
    options: WriteOptions,
    context?: Uint8Array,
  ) {
    const { transport } = this.#parts;
    return this.#explained(() =>
      transport.updateDatatype(this.#bucket, key, operation, { ...options, context }),
    );
  }

  async #explained<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (cause) {
      if (!isHaleError(cause, 'unknown_bucket_type')) throw cause;
      const properties = `'{"props":{"datatype":"${this.#kind}"}}'`;
      const text =
        `there is no active bucket type "${this.type}"; make it with ` +
        `\`hale bucket-type create ${this.type} ${properties}\` and \`hale bucket-type activate ${this.type}\`, ` +
        'or, embedded, with the option `bucketTypes` of `open`';
      throw new HaleError('unknown_bucket_type', text, { cause });
    }
  }

  #otherType(actual: CrdtType): HaleError {
    const text = `buckets of type "${this.type}" hold data of type ${actual}, not ${this.#kind}`;
    return new HaleError('invalid_argument', text);
  }
}

export class TypedCounters extends TransportDataTypes<'counter'> implements CounterBucket {
  constructor(parts: DataTypeParts) {
    super('counter', parts);
  }

  async get(key: string, options: ReadOptions = {}): Promise<number> {
    return counterNumber(await this.getExactly(key, options));
  }

  async getExactly(key: string, options: ReadOptions = {}): Promise<bigint> {
    return (await this.read(key, options)) ?? 0n;
  }

  async increment(key: string, by: number | bigint = 1, options: WriteOptions = {}): Promise<void> {
    await this.write(key, { kind: 'counter', increment: incrementOf(by) }, options);
  }
}

export class TypedSets<T> extends TransportDataTypes<'set'> implements SetBucket<T> {
  readonly #element: Element<T>;

  constructor(parts: DataTypeParts, element: Element<T>) {
    super('set', parts);
    this.#element = element;
  }

  async get(key: string, options: ReadOptions = {}): Promise<ReadonlySet<T>> {
    return setValueOf(this.#element, (await this.read(key, options)) ?? []);
  }

  add(key: string, elements: Iterable<T>, options: WriteOptions = {}): Promise<void> {
    return this.update(key, { add: elements }, options);
  }

  remove(key: string, elements: Iterable<T>, options: WriteOptions = {}): Promise<void> {
    return this.update(key, { remove: elements }, options);
  }

  async update(key: string, change: SetChange<T>, options: WriteOptions = {}): Promise<void> {
    const operation = setOperationOf(this.#element, change);
    if (operation.steps.length > 0) await this.write(key, operation, options);
  }
}

export class TypedGrowOnlySets<T> extends TransportDataTypes<'gset'> {
  readonly #element: Element<T>;

  constructor(parts: DataTypeParts, element: Element<T>) {
    super('gset', parts);
    this.#element = element;
  }

  async get(key: string, options: ReadOptions = {}): Promise<ReadonlySet<T>> {
    return setValueOf(this.#element, (await this.read(key, options)) ?? []);
  }

  async add(key: string, elements: Iterable<T>, options: WriteOptions = {}): Promise<void> {
    const adds = elementsOf(this.#element, elements);
    if (adds.length > 0) await this.write(key, { kind: 'gset', adds }, options);
  }
}

export class TypedCardinalities<T> extends TransportDataTypes<'hll'> implements CardinalityBucket<T> {
  readonly #element: Element<T>;

  constructor(parts: DataTypeParts, element: Element<T>) {
    super('hll', parts);
    this.#element = element;
  }

  async count(key: string, options: ReadOptions = {}): Promise<number> {
    return (await this.read(key, options)) ?? 0;
  }

  async add(key: string, elements: Iterable<T>, options: WriteOptions = {}): Promise<void> {
    const adds = elementsOf(this.#element, elements);
    if (adds.length > 0) await this.write(key, { kind: 'hll', adds }, options);
  }
}

export class TypedMaps<F extends Fields> extends TransportDataTypes<'map'> implements MapBucket<F> {
  readonly #fields: F;

  constructor(parts: DataTypeParts, fields: F) {
    super('map', parts);
    this.#fields = fields;
  }

  async get(key: string, options: ReadOptions = {}): Promise<MapValue<F> | undefined> {
    const entries = await this.read(key, options);
    // The fields make both the type and the value.
    return entries && (mapValueOf(this.#fields, entries) as MapValue<F>);
  }

  async update(key: string, changes: MapChanges<F>, options: WriteOptions = {}): Promise<void> {
    await this.write(key, mapOperationOf(this.#fields, changes), options);
  }

  async add(changes: MapChanges<F>, options: WriteOptions = {}): Promise<string> {
    const operation = withoutRemovals(mapOperationOf(this.#fields, changes));
    return this.create(operation ?? { kind: 'map', removes: [], updates: [] }, options);
  }
}
