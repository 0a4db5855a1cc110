/** A bucket over a transport: values typed and checked, siblings merged, updates repeated. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { bytesOfText, textOfBytes } from '../stdx/index.ts';
import type { Content } from '../wire/index.ts';
import {
  type BucketProperties,
  type BucketPropertyChanges,
  checkPropertyNames,
} from './bucket-properties.ts';
import type { CallOptions, ReadOptions } from './call-options.ts';
import { bytesOfContext, contextOfBytes } from './context.ts';
import type { Bucket, BucketOptions, DeleteOptions, PutOptions, UpdateOptions } from './database.ts';
import type { Deadline } from './deadline.ts';
import {
  type Entry,
  indexPairs,
  metadataPairs,
  type Sibling,
  type SiblingEntry,
  siblingOf,
} from './entry.ts';
import { type Change, type ChangesOptions, changesOf, onlyPrefix } from './feed/changes.ts';
import { HaleError, isHaleError } from './hale-error.ts';
import { nameBytes } from './name-bytes.ts';
import { namesOf } from './name-iterator.ts';
import {
  type AskedIndex,
  type IndexMatch,
  type IndexPage,
  type IndexPageOptions,
  type IndexQueryOptions,
  type IndexRange,
  indexMatches,
  indexPages,
} from './query/index-query.ts';
import { type MapReduceInputs, type ObjectJob, objectJob } from './query/map-reduce.ts';
import { latestOf, liveSiblings, mergeSiblings } from './resolve-siblings.ts';
import { retryDelayMs } from './retry-delay.ts';
import type {
  BucketName,
  FeedQuery,
  ObjectName,
  StoredObject,
  Transport,
  WriteCondition,
} from './transport.ts';
import { jsonCodec, type ValueCodec } from './value-codec.ts';
import { checkValue } from './value-schema.ts';

/** Losing this often means that the key is written faster than it can be read. */
const updateAttemptsMax = 16;
/** What the protocol has room for. */
const ttlSecondsMax = 2 ** 32 - 1;
const updateDelay = { firstMs: 2, maxMs: 200 };

export interface TypedBucketParts<In, Out> {
  readonly name: string;
  readonly transport: Transport;
  readonly codec: ValueCodec<unknown>;
  readonly options: BucketOptions<In, Out>;
  readonly schema: StandardSchemaV1 | undefined;
  readonly random: { fraction(): number };
  readonly deadline: (options: CallOptions) => Deadline;
}

/** An object as read, its siblings merged. */
interface Resolved<Out> {
  readonly sibling: Sibling<Out>;
  /** The latest of what was merged: its links, encoding and labels live on. */
  readonly base: Content;
  readonly live: readonly Content[];
}

export class TypedBucket<In, Out> implements Bucket<In, Out> {
  readonly name: string;
  readonly type: string;
  readonly #parts: TypedBucketParts<In, Out>;
  readonly #bucket: BucketName;

  constructor(parts: TypedBucketParts<In, Out>) {
    this.name = parts.name;
    this.type = parts.options.type ?? 'default';
    this.#parts = parts;
    this.#bucket = {
      bucketType: nameBytes('bucket type', this.type),
      bucket: nameBytes('bucket', this.name),
    };
  }

  async get(key: string, options: ReadOptions = {}): Promise<Out | undefined> {
    const stored = await this.#parts.transport.get(this.#object(key), options);
    return stored && (await this.#resolve(key, stored))?.sibling.value;
  }

  async entry(key: string, options: ReadOptions = {}): Promise<Entry<Out> | undefined> {
    const stored = await this.#parts.transport.get(this.#object(key), options);
    const resolved = stored && (await this.#resolve(key, stored));
    if (resolved === undefined) return undefined;
    return { key, ...resolved.sibling, context: contextOfBytes(stored!.context) };
  }

  async siblings(key: string, options: ReadOptions = {}): Promise<SiblingEntry<Out> | undefined> {
    const stored = await this.#parts.transport.get(this.#object(key), options);
    if (stored === undefined) return undefined;
    const live = liveSiblings(stored.siblings);
    const siblings = await Promise.all(live.map((content) => this.#decode(key, content)));
    return { key, siblings, context: contextOfBytes(stored.context) };
  }

  async put(key: string, value: In, options: PutOptions = {}): Promise<void> {
    const { key: keyBytes } = this.#object(key);
    const { ifAbsent, ifUnchanged, ...rest } = options;
    if (ifAbsent === true && ifUnchanged !== undefined) {
      throw new HaleError('invalid_argument', 'a put is either ifAbsent or ifUnchanged');
    }
    const content = await this.#encode(key, value, options);
    const context = ifUnchanged ?? options.context;
    const condition: WriteCondition | undefined =
      ifAbsent === true ? 'absent' : ifUnchanged === undefined ? undefined : 'unchanged';
    await this.#parts.transport.put(this.#bucket, keyBytes, content, {
      ...rest,
      condition,
      context: context && bytesOfContext(context),
    });
  }

  async add(value: In, options: PutOptions = {}): Promise<string> {
    const content = await this.#encode('(new key)', value, options);
    const { signal, timeoutMs, w, dw, pw } = options;
    const outcome = await this.#parts.transport.put(this.#bucket, undefined, content, {
      signal,
      timeoutMs,
      w,
      dw,
      pw,
    });
    if (outcome.generatedKey === undefined) {
      throw new HaleError('protocol', 'the node stored a value and did not tell its key', {
        unknownOutcome: true,
      });
    }
    return textOfBytes(outcome.generatedKey);
  }

  async update(
    key: string,
    change: (current: Out | undefined) => In | undefined | Promise<In | undefined>,
    options: UpdateOptions = {},
  ): Promise<Out | undefined> {
    const deadline = this.#parts.deadline(options);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#updateOnce(key, change, options, deadline);
      } catch (error) {
        const isLost = isHaleError(error, 'changed') || isHaleError(error, 'exists');
        if (!isLost) throw error;
        if (attempt === updateAttemptsMax) {
          const text = `other writers of "${key}" were faster ${attempt} times in a row`;
          throw new HaleError('contended', text, { cause: error });
        }
      }
      await deadline.pause(retryDelayMs(attempt, updateDelay, this.#parts.random));
      deadline.check();
    }
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<void> {
    const { context } = options;
    await this.#parts.transport.delete(this.#object(key), {
      ...options,
      context: context && bytesOfContext(context),
    });
  }

  count(options: CallOptions = {}): Promise<number> {
    return this.#parts.transport.countKeys(this.#bucket, options);
  }

  keys(options: CallOptions = {}): AsyncIterableIterator<string> {
    return namesOf(() => this.#parts.transport.listKeys(this.#bucket, options));
  }

  query(
    index: string,
    range: IndexRange,
    options: IndexQueryOptions = {},
  ): AsyncIterableIterator<IndexMatch> {
    return indexMatches(this.#askedIndex(index, range), options);
  }

  pages(index: string, range: IndexRange, options: IndexPageOptions): AsyncIterableIterator<IndexPage> {
    return indexPages(this.#askedIndex(index, range), options);
  }

  changes({ since = 'now', prefix, signal }: ChangesOptions = {}): AsyncIterableIterator<Change<Out>> {
    return this.#follow(onlyPrefix(prefix === undefined ? undefined : bytesOfText(prefix)), since, signal);
  }

  watch(
    key: string,
    { since = 'start', signal }: Omit<ChangesOptions, 'prefix'> = {},
  ): AsyncIterableIterator<Change<Out>> {
    return this.#follow({ kind: 'key', name: nameBytes('key', key) }, since, signal);
  }

  #follow(
    only: FeedQuery['only'],
    since: NonNullable<ChangesOptions['since']>,
    signal: AbortSignal | undefined,
  ): AsyncIterableIterator<Change<Out>> {
    const { transport, random, deadline } = this.#parts;
    const source = {
      open: (query: Pick<FeedQuery, 'only' | 'since'>) =>
        transport.follow({ ...this.#bucket, ...query }, { signal }),
      resolve: async (key: string, stored: StoredObject) => {
        // Of a value that is kept in chunks the feed has only where they are.
        const isLarge = stored.siblings.some(({ manifest }) => manifest !== undefined);
        return isLarge ? this.get(key, { signal }) : (await this.#resolve(key, stored))?.sibling.value;
      },
      random,
      pause: (delayMs: number) => deadline({ signal }).pause(delayMs),
    };
    return changesOf(source, only, since);
  }

  mapReduce(inputs?: MapReduceInputs): ObjectJob<In> {
    const { codec, transport } = this.#parts;
    if (codec.contentType !== jsonCodec.contentType) {
      throw new HaleError(
        'invalid_argument',
        `the values of bucket "${this.name}" are bytes; jobs read JSON`,
      );
    }
    return objectJob<In>(transport, this.#bucket, inputs);
  }

  properties(options: CallOptions = {}): Promise<BucketProperties> {
    return this.#parts.transport.properties(this.#bucket, options);
  }

  async setProperties(changes: BucketPropertyChanges, options: CallOptions = {}): Promise<void> {
    checkPropertyNames(changes);
    await this.#parts.transport.setProperties(this.#bucket, changes, options);
  }

  resetProperties(options: CallOptions = {}): Promise<void> {
    return this.#parts.transport.resetProperties(this.#bucket, options);
  }

  #askedIndex(index: string, range: IndexRange): AskedIndex {
    return { transport: this.#parts.transport, bucket: this.#bucket, index, range };
  }

  async #updateOnce(
    key: string,
    change: (current: Out | undefined) => In | undefined | Promise<In | undefined>,
    options: UpdateOptions,
    deadline: Deadline,
  ): Promise<Out | undefined> {
    const remainingMs = (): number => Math.max(1, deadline.remainingMs());
    const read = { ...options, timeoutMs: remainingMs() };
    const stored = await this.#parts.transport.get(this.#object(key), read);
    const resolved = stored && (await this.#resolve(key, stored));
    const value = await change(resolved?.sibling.value);
    if (value === undefined) return resolved?.sibling.value;
    const content = await this.#encode(key, value, options, resolved);
    deadline.check();
    const { signal, w, dw, pw } = options;
    await this.#parts.transport.put(this.#bucket, nameBytes('key', key), content, {
      signal,
      timeoutMs: remainingMs(),
      w,
      dw,
      pw,
      // That of a remembered delete, too: the new value must not be concurrent with it.
      context: stored?.context,
      condition: resolved === undefined ? 'absent' : 'unchanged',
    });
    return (await this.#decode(key, content)).value;
  }

  async #resolve(key: string, stored: StoredObject): Promise<Resolved<Out> | undefined> {
    const live = liveSiblings(stored.siblings);
    if (live.length === 0) return undefined;
    const base = latestOf(live);
    const { merge } = this.#parts.options;
    if (live.length === 1 || merge === 'latest')
      return { sibling: await this.#decode(key, base), base, live };
    const siblings = await Promise.all(live.map((content) => this.#decode(key, content)));
    const value = mergeSiblings(key, siblings, merge);
    return { sibling: siblingOf({ ...base, indexes: unionOf(live) }, value), base, live };
  }

  async #decode(key: string, content: Content): Promise<Sibling<Out>> {
    const { codec, schema } = this.#parts;
    const value = codec.decode(content.value);
    const checked =
      schema === undefined ? value : await checkValue(schema, value, this.#where('stored', key));
    return siblingOf(content, checked as Out);
  }

  /** What `replaced` had besides its value stays, unless the options say otherwise. */
  async #encode(
    key: string,
    value: In,
    options: Pick<PutOptions, 'contentType' | 'ttlSeconds' | 'metadata' | 'indexes'>,
    replaced?: Resolved<Out>,
  ): Promise<Content> {
    const { codec, schema } = this.#parts;
    if (schema !== undefined) await checkValue(schema, value, this.#where('new', key));
    const indexes = options.indexes ?? this.#parts.options.indexes?.(value);
    const contentType =
      options.contentType === undefined ? replaced?.base.contentType : bytesOfText(options.contentType);
    return {
      value: codec.encode(value),
      contentType: contentType ?? bytesOfText(codec.contentType),
      links: replaced?.base.links ?? [],
      userMeta:
        options.metadata === undefined ? (replaced?.base.userMeta ?? []) : metadataPairs(options.metadata),
      indexes: indexes === undefined ? unionOf(replaced?.live ?? []) : indexPairs(indexes),
      deleted: false,
      ...(options.ttlSeconds === undefined ? {} : { ttlSeconds: checkedTtl(options.ttlSeconds) }),
    };
  }

  #object(key: string): ObjectName {
    return { ...this.#bucket, key: nameBytes('key', key) };
  }

  #where(which: 'stored' | 'new', key: string): string {
    return `the ${which} value of "${key}" in bucket "${this.name}"`;
  }
}

/** Throws `invalid_argument`. */
export function checkedTtl(seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= ttlSecondsMax) return seconds;
  const text = `ttlSeconds is a whole number from 0 to ${ttlSecondsMax}, not ${seconds}`;
  throw new HaleError('invalid_argument', text);
}

/** Index entries of all siblings, each once. */
function unionOf(contents: readonly Content[]): Content['indexes'] {
  const union = new Map<string, Content['indexes'][number]>();
  for (const { indexes } of contents) {
    for (const pair of indexes) union.set(`${pair.key}\0${pair.value}`, pair);
  }
  return [...union.values()];
}
