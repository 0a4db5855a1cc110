/** The client's way into a node of the same process: no bytes on a wire, the same answers. */
import { Buffer } from 'node:buffer';
import {
  type BucketName,
  type BucketProperties,
  type BucketPropertyChanges,
  type CallOptions,
  type ClientEnvironment,
  type Cursor,
  closedError,
  type DatatypeSnapshot,
  type DatatypeUpdateOptions,
  Deadline,
  type FeedPage,
  type FeedQuery,
  HaleError,
  heartbeatMsOf,
  type IndexBatch,
  type IndexQuery,
  type JsonJob,
  type NameCursor,
  type ObjectName,
  type PutOutcome,
  type Quorum,
  type ReadOptions,
  type ReadValueOptions,
  type StoredObject,
  type StreamedValue,
  type Transport,
  type TransportDeleteOptions,
  type TransportPutOptions,
  timeoutMsMax,
  type ValueSource,
  type WriteValueOptions,
} from '../../client/index.ts';
import {
  type ChangeFeeds,
  type CrdtOperation,
  countOfKeys,
  type Datatypes,
  type IndexQuerying,
  type KeyValueStore,
  KvFailure,
  type MapReduce,
  type QuorumValue,
  quorumCount,
  quorumOfWord,
  type StreamedGetResult,
  type ValueStreams,
  type VersionedObject,
} from '../../kv/index.ts';
import { type ByteString, byteLiteral, SlotTable, textOfBytes } from '../../stdx/index.ts';
import { type Content, encodeContent } from '../../wire/index.ts';
import { haleErrorOf } from './embedded-error.ts';
import { EmbeddedFeedCursor } from './embedded-feed.ts';
import { parsedChanges, shownProperties } from './embedded-properties.ts';
import { EmbeddedIndexCursor, EmbeddedJobCursor } from './embedded-queries.ts';
import { EmbeddedChunkCursor, EmbeddedUpload } from './embedded-values.ts';
import { refusedType } from './ensure-bucket-types.ts';

const replicasMax = 1024;

export interface EmbeddedNode {
  readonly store: KeyValueStore;
  readonly datatypes: Datatypes;
  readonly indexes: IndexQuerying;
  readonly feeds: Pick<ChangeFeeds, 'open'>;
  readonly mapReduce: MapReduce;
  readonly streams: ValueStreams;
  readonly environment: ClientEnvironment;
  /** Of a call that is given none. */
  readonly timeoutMs: number;
  /** Stops the node, too. Called at most once. */
  readonly close: () => Promise<void>;
  /** Stops the node without draining it, and never rejects. Called at most once, instead of `close`. */
  readonly halt: () => Promise<void>;
  /** Aborts when the environment met a bug: the node is halted, and calls fail with the reason as cause. */
  readonly crashed: AbortSignal;
}

export class EmbeddedTransport implements Transport {
  readonly #node: EmbeddedNode;
  readonly #calls = new SlotTable<(error: HaleError) => void>();
  #closing: Promise<void> | undefined;

  constructor(node: EmbeddedNode) {
    this.#node = node;
    if (node.crashed.aborted) this.#crash();
    else node.crashed.addEventListener('abort', () => this.#crash(), { once: true });
  }

  async get(name: ObjectName, options: ReadOptions): Promise<StoredObject | undefined> {
    const quorums = { r: quorumOf(options.r), pr: quorumOf(options.pr) };
    const { basicQuorum, notfoundOk } = options;
    return this.#call('read', options, (timeoutMs, resolve, reject) => {
      const request = { ...name, ...quorums, basicQuorum, notfoundOk, timeoutMs };
      this.#node.store.get(request, (result) => {
        if (result.kind === 'failed') reject(haleErrorOf(result.error, 'read'));
        else if (result.kind === 'found') resolve(storedObject(result.object));
        else if (result.kind === 'notfound' && result.tombstone !== undefined) {
          resolve({ siblings: [], context: result.tombstone.context });
        } else resolve(undefined);
      });
    });
  }

  async put(
    name: BucketName,
    key: ByteString | undefined,
    content: Content,
    options: TransportPutOptions,
  ): Promise<PutOutcome> {
    const quorums = writeQuorums(options);
    const encoded = encodeContent(content);
    return this.#call('write', options, (timeoutMs, resolve, reject) => {
      const request = {
        ...name,
        ...quorums,
        key,
        content: encoded,
        context: options.context,
        ifNoneMatch: options.condition === 'absent',
        ifNotModified: options.condition === 'unchanged',
        returnObject: options.returnHead === true ? ('head' as const) : ('no' as const),
        timeoutMs,
      };
      this.#node.store.put(request, (result) => {
        if (result.kind === 'failed') reject(haleErrorOf(result.error, 'write'));
        else {
          const { object, generatedKey } = result;
          resolve({ stored: object && storedObject(object), generatedKey });
        }
      });
    });
  }

  async readValue(name: ObjectName, options: ReadValueOptions): Promise<StreamedValue | undefined> {
    const { basicQuorum, notfoundOk, vtag, range } = options;
    const quorums = { r: quorumOf(options.r), pr: quorumOf(options.pr) };
    const found = await this.#call<StreamedGetResult>('read', options, (timeoutMs, resolve, reject) => {
      const request = { ...name, ...quorums, basicQuorum, notfoundOk, timeoutMs, vtag, ...range };
      this.#node.streams.get(request).then(resolve, reject);
    });
    if (found.kind === 'failed') throw haleErrorOf(found.error, 'read');
    if (found.kind === 'notfound') return undefined;
    const isOne = found.kind === 'found';
    const open = (): Cursor<Buffer> => new EmbeddedChunkCursor(isOne ? found.chunks : nothing());
    return {
      object: headOf(found.object),
      bytes: isOne ? found.bytes : undefined,
      pieces: this.#cursor(open, options),
    };
  }

  async writeValue(
    name: BucketName,
    key: ByteString | undefined,
    content: Content,
    source: ValueSource,
    options: WriteValueOptions,
  ): Promise<PutOutcome> {
    const { value: _, manifest: __, ...rest } = content;
    const put = {
      ...name,
      ...writeQuorums(options),
      ...(key === undefined ? {} : { key }),
      content: rest,
      context: options.context,
      ifNoneMatch: options.condition === 'absent',
      ifNotModified: options.condition === 'unchanged',
      ...(options.length === undefined ? {} : { length: options.length }),
    };
    const upload = new EmbeddedUpload(this.#node.streams, source);
    // The source is the application's: only it can say how long that may take.
    const time = { signal: options.signal, timeoutMs: options.timeoutMs ?? timeoutMsMax };
    try {
      return await this.#call<PutOutcome>('write', time, (_timeoutMs, resolve, reject) => {
        upload.run(put).then(resolve, reject);
      });
    } catch (error) {
      upload.giveUp();
      if (!(error instanceof HaleError) || upload.isSent) throw error;
      // Before the store has all of it nothing can have happened.
      throw new HaleError(error.code, error.message, { cause: error.cause });
    }
  }

  async delete(name: ObjectName, options: TransportDeleteOptions): Promise<void> {
    const quorums = writeQuorums(options);
    return this.#call('write', options, (timeoutMs, resolve, reject) => {
      const request = { ...name, ...quorums, context: options.context, timeoutMs };
      this.#node.store.delete(request, (result) => {
        if (result.kind === 'failed') reject(haleErrorOf(result.error, 'write'));
        else resolve(undefined);
      });
    });
  }

  async fetchDatatype(name: ObjectName, options: ReadOptions): Promise<DatatypeSnapshot | undefined> {
    const quorums = { r: quorumOf(options.r), pr: quorumOf(options.pr) };
    const { basicQuorum, notfoundOk } = options;
    return this.#call('read', options, (timeoutMs, resolve, reject) => {
      const request = { ...name, ...quorums, basicQuorum, notfoundOk, timeoutMs };
      this.#node.datatypes.fetch(request, (result) => {
        if (result.kind === 'failed') reject(haleErrorOf(result.error, 'read'));
        else resolve(result.kind === 'found' ? result : undefined);
      });
    });
  }

  async updateDatatype(
    name: BucketName,
    key: ByteString | undefined,
    operation: CrdtOperation,
    options: DatatypeUpdateOptions,
  ): Promise<ByteString | undefined> {
    const quorums = writeQuorums(options);
    const { context } = options;
    return this.#call('write', options, (timeoutMs, resolve, reject) => {
      const request = { ...name, ...quorums, key, operation, context, timeoutMs };
      this.#node.datatypes.update(request, (outcome) => {
        if (outcome.kind === 'failed') reject(haleErrorOf(outcome.error, 'write'));
        else resolve(outcome.generatedKey);
      });
    });
  }

  listKeys(name: BucketName, options: CallOptions): NameCursor {
    const { timeoutMs } = options;
    return this.#cursor(() => this.#node.store.listKeys(name, { timeoutMs }), options);
  }

  countKeys(name: BucketName, options: CallOptions): Promise<number> {
    const { indexes } = this.#node;
    return this.#settled('read', options, () => countOfKeys(indexes, name, options.timeoutMs));
  }

  listBuckets(bucketType: ByteString, options: CallOptions): NameCursor {
    const { timeoutMs } = options;
    return this.#cursor(() => this.#node.store.listBuckets(bucketType, { timeoutMs }), options);
  }

  queryIndex(query: IndexQuery, options: CallOptions): Cursor<IndexBatch> {
    const { timeoutMs } = options;
    return this.#cursor(() => new EmbeddedIndexCursor(this.#node.indexes, query, timeoutMs), options);
  }

  follow(feed: FeedQuery, options: CallOptions): Cursor<FeedPage> {
    const { feeds, timeoutMs } = this.#node;
    return this.#cursor(() => new EmbeddedFeedCursor(feeds, feed, heartbeatMsOf(timeoutMs)), options);
  }

  mapReduce(job: JsonJob, options: CallOptions): Cursor<readonly unknown[]> {
    // For the whole job: a phase may be silent for long.
    const timeoutMs = options.timeoutMs ?? this.#node.timeoutMs;
    const open = () => new EmbeddedJobCursor(this.#node.mapReduce, job, Math.max(1, Math.ceil(timeoutMs)));
    return this.#cursor(open, { ...options, timeoutMs });
  }

  async properties(name: BucketName, options: CallOptions): Promise<BucketProperties> {
    if (this.#closing !== undefined) throw this.#closedError();
    this.#deadline(options).check();
    return shownProperties(this.#node.store.properties(name));
  }

  async setProperties(name: BucketName, changes: BucketPropertyChanges, options: CallOptions): Promise<void> {
    const parsed = parsedChanges(changes);
    const { store } = this.#node;
    await this.#settled('write', options, () => store.setProperties(name, parsed));
  }

  async resetProperties(name: BucketName, options: CallOptions): Promise<void> {
    await this.#settled('write', options, () => this.#node.store.resetProperties(name));
  }

  typeProperties(bucketType: ByteString, options: CallOptions): Promise<BucketProperties> {
    // No bucket has the empty name, so what it would have is what the type gives.
    return this.properties({ bucketType, bucket: byteLiteral('') }, options);
  }

  async setTypeProperties(
    bucketType: ByteString,
    changes: BucketPropertyChanges,
    options: CallOptions,
  ): Promise<void> {
    const parsed = parsedChanges(changes);
    const { store } = this.#node;
    const refusal = await this.#settled('write', options, () => store.setTypeProperties(bucketType, parsed));
    if (refusal !== undefined) throw refusedType(textOfBytes(bucketType), refusal);
  }

  async ping(options: CallOptions): Promise<void> {
    if (this.#closing !== undefined) throw this.#closedError();
    this.#deadline(options).check();
  }

  close(): Promise<void> {
    this.#closing ??= this.#node.close();
    for (const fail of this.#calls.entries()) fail(this.#closedError());
    return this.#closing;
  }

  #crash(): void {
    this.#closing ??= this.#node.halt();
    for (const fail of this.#calls.entries()) fail(this.#closedError());
  }

  #closedError(): HaleError {
    return closedError(this.#node.crashed.reason);
  }

  #deadline(options: CallOptions): Deadline {
    return new Deadline(this.#node.environment, options, this.#node.timeoutMs);
  }

  /** The store cannot take a request back: one that is given up ends unseen. */
  #call<T>(
    kind: 'read' | 'write',
    options: CallOptions,
    start: (timeoutMs: number, resolve: (value: T) => void, reject: (error: unknown) => void) => void,
  ): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(this.#closedError());
    const deadline = this.#deadline(options);
    deadline.check();
    return new Promise((resolve, reject) => {
      const number = this.#calls.next();
      const stop = deadline.watch((reason) => abandon(reason));
      const end = (): void => {
        stop();
        this.#calls.delete(number);
      };
      const abandon = (reason: HaleError): void => {
        end();
        const { cause } = reason;
        reject(new HaleError(reason.code, reason.message, { cause, unknownOutcome: kind === 'write' }));
      };
      this.#calls.set(number, abandon);
      const resolved = (value: T): void => {
        end();
        resolve(value);
      };
      const rejected = (error: unknown): void => {
        end();
        reject(error);
      };
      start(Math.max(1, Math.ceil(deadline.remainingMs())), resolved, rejected);
    });
  }

  #settled<T>(kind: 'read' | 'write', options: CallOptions, run: () => Promise<T>): Promise<T> {
    return this.#call<T>(kind, options, (_timeoutMs, resolve, reject) => {
      run().then(resolve, (error: unknown) => {
        reject(error instanceof KvFailure ? haleErrorOf(error.error, kind) : error);
      });
    });
  }

  #cursor<Batch>(open: () => Cursor<Batch>, options: CallOptions): Cursor<Batch> {
    let stream: Cursor<Batch> | undefined;
    const whole = options.timeoutMs === undefined ? undefined : this.#deadline(options);
    return {
      next: async () => {
        whole?.check();
        const timeoutMs = whole && Math.max(1, whole.remainingMs());
        return this.#settled('read', { ...options, timeoutMs }, async () => {
          stream ??= open();
          return stream.next();
        });
      },
      close: async () => {
        await stream?.close();
      },
    };
  }
}

function writeQuorums(options: TransportDeleteOptions) {
  return { w: quorumOf(options.w), dw: quorumOf(options.dw), pw: quorumOf(options.pw) };
}

function quorumOf(quorum: Quorum | undefined): QuorumValue | undefined {
  if (quorum === undefined) return undefined;
  const value = typeof quorum === 'string' ? quorumOfWord(quorum) : undefined;
  if (value !== undefined) return value;
  if (typeof quorum === 'number' && Number.isInteger(quorum) && quorum >= 0 && quorum <= replicasMax) {
    return quorumCount(quorum);
  }
  throw new HaleError('invalid_argument', `"${quorum}" is neither a count nor one, quorum, all or default`);
}

/** The values of others than the one that is read may be long. */
function headOf(object: VersionedObject): StoredObject {
  const siblings = object.contents().map((content) => ({ ...content, value: Buffer.alloc(0) }));
  return { siblings, context: object.context };
}

async function* nothing(): AsyncGenerator<Buffer> {}

/** Values are copied: an application may keep or change what it reads. */
function storedObject(object: VersionedObject): StoredObject {
  const siblings = object.contents().map((content) => ({ ...content, value: Buffer.from(content.value) }));
  return { siblings, context: object.context };
}
