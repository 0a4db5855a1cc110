/**
 * A database over Protocol Buffers. Reads move to another node when one fails or is slow. A write
 * moves only if it surely had no effect; otherwise it fails with `unknownOutcome`.
 */
import { Buffer } from 'node:buffer';
import type { CrdtOperation } from '../../crdt/index.ts';
import type { Address } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import {
  type Content,
  decodeContent,
  dtFetchResp,
  dtUpdateResp,
  encodeFrame,
  type FrameType,
  haleCountReq,
  haleCountResp,
  rpbDelReq,
  rpbDelResp,
  rpbGetBucketReq,
  rpbGetBucketResp,
  rpbGetBucketTypeReq,
  rpbGetReq,
  rpbGetResp,
  rpbListBucketsReq,
  rpbListBucketsResp,
  rpbListKeysReq,
  rpbListKeysResp,
  rpbPingReq,
  rpbPingResp,
  rpbPutReq,
  rpbPutResp,
  rpbResetBucketReq,
  rpbResetBucketResp,
  rpbSetBucketReq,
  rpbSetBucketResp,
  rpbSetBucketTypeReq,
} from '../../wire/index.ts';
import type { BucketProperties, BucketPropertyChanges } from '../bucket-properties.ts';
import type { CallOptions, ReadOptions } from '../call-options.ts';
import { Deadline, timeoutMsMax } from '../deadline.ts';
import { heartbeatMsOf } from '../feed/heartbeat.ts';
import { closedError, HaleError } from '../hale-error.ts';
import type {
  BucketName,
  Cursor,
  DatatypeSnapshot,
  DatatypeUpdateOptions,
  DeleteOptions,
  FeedPage,
  FeedQuery,
  IndexBatch,
  IndexQuery,
  JsonJob,
  NameCursor,
  ObjectName,
  PutOptions,
  PutOutcome,
  ReadValueOptions,
  StoredObject,
  StreamedValue,
  Transport,
  WriteValueOptions,
} from '../transport.ts';
import type { ValueSource } from '../value-source.ts';
import {
  ConnectionPool,
  type Host,
  type Lease,
  type PoolEnvironment,
  type PoolLimits,
} from './connection-pool.ts';
import { fetchRequest, snapshotOfMessage, updateRequest } from './datatype-message.ts';
import { decodeReply } from './decode-reply.ts';
import { feedRequest } from './feed-message.ts';
import { addressOf, getFields, putFields } from './object-message.ts';
import { messageOfChanges, propertiesOfMessage } from './properties-message.ts';
import { indexRequest, mapReduceRequest } from './query-message.ts';
import { numberOfQuorum } from './quorum-number.ts';
import { RemoteCursor } from './remote-cursor.ts';
import { readValue, writeValue } from './remote-value-streams.ts';

/** A call gives up after so many nodes. */
const attemptsMax = 4;

/** What whoever made the environment tells, and wants to be told. */
export interface RemoteOwner {
  /** Aborts when the environment met a bug: the transport closes, and calls fail with the reason as cause. */
  readonly crashed?: AbortSignal;
  /** Called once, when the transport was closed. */
  readonly closed?: () => Promise<void>;
}

export interface RemoteOptions extends PoolLimits, RemoteOwner {
  /** Of a call that is given none. */
  readonly timeoutMs: number;
}

interface Call<T> {
  readonly kind: 'read' | 'write';
  readonly options: CallOptions;
  /** `timeoutMs` is what the node may take. */
  readonly request: (timeoutMs: number) => Buffer;
  readonly reply: FrameType<T>;
}

export class RemoteTransport implements Transport {
  readonly #pool: ConnectionPool;
  readonly #environment: PoolEnvironment;
  readonly #timeoutMs: number;
  readonly #closed: () => Promise<void>;
  readonly #attempts = new Set<(reason: HaleError) => void>();
  #closing: Promise<void> | undefined;

  constructor(addresses: readonly Address[], environment: PoolEnvironment, options: RemoteOptions) {
    this.#pool = new ConnectionPool(addresses, environment, options);
    this.#environment = environment;
    this.#timeoutMs = options.timeoutMs;
    this.#closed = options.closed ?? (() => Promise.resolve());
    const { crashed } = options;
    crashed?.addEventListener('abort', () => this.#crash(closedError(crashed.reason)), { once: true });
  }

  async get(name: ObjectName, options: ReadOptions): Promise<StoredObject | undefined> {
    const { content, vclock } = await this.#call({
      kind: 'read',
      options,
      reply: rpbGetResp,
      request: (timeout) =>
        encodeFrame(rpbGetReq, {
          ...getFields(name, options),
          deletedvclock: true,
          timeout,
        }),
    });
    return vclock === undefined ? undefined : storedObject(content, vclock);
  }

  async put(
    name: BucketName,
    key: ByteString | undefined,
    content: Content,
    options: PutOptions,
  ): Promise<PutOutcome> {
    const answer = await this.#call({
      kind: 'write',
      options,
      reply: rpbPutResp,
      request: (timeout) =>
        encodeFrame(rpbPutReq, {
          ...putFields(name, key, content, options),
          return_head: options.returnHead,
          timeout,
        }),
    });
    return {
      stored: answer.vclock === undefined ? undefined : storedObject(answer.content, answer.vclock),
      generatedKey: answer.key,
    };
  }

  readValue(name: ObjectName, options: ReadValueOptions): Promise<StreamedValue | undefined> {
    return readValue(this.#pool, name, options, this.#listing(options));
  }

  writeValue(
    name: BucketName,
    key: ByteString | undefined,
    content: Content,
    source: ValueSource,
    options: WriteValueOptions,
  ): Promise<PutOutcome> {
    const { deadline: node } = this.#listing(options);
    // The source is the application's: only it can say how long that may take.
    const unbounded = this.#deadline({ signal: options.signal, timeoutMs: timeoutMsMax });
    const times = { node, source: options.timeoutMs === undefined ? () => unbounded : node };
    return writeValue(this.#pool, name, key, content, source, options, times);
  }

  async delete(name: ObjectName, options: DeleteOptions): Promise<void> {
    await this.#call({
      kind: 'write',
      options,
      reply: rpbDelResp,
      request: (timeout) =>
        encodeFrame(rpbDelReq, {
          ...addressOf(name),
          key: name.key,
          vclock: options.context,
          w: numberOfQuorum(options.w),
          dw: numberOfQuorum(options.dw),
          pw: numberOfQuorum(options.pw),
          timeout,
        }),
    });
  }

  async fetchDatatype(name: ObjectName, options: ReadOptions): Promise<DatatypeSnapshot | undefined> {
    const answer = await this.#call({
      kind: 'read',
      options,
      reply: dtFetchResp,
      request: (timeout) => fetchRequest(name, options, timeout),
    });
    return snapshotOfMessage(answer);
  }

  async updateDatatype(
    name: BucketName,
    key: ByteString | undefined,
    operation: CrdtOperation,
    options: DatatypeUpdateOptions,
  ): Promise<ByteString | undefined> {
    const answer = await this.#call({
      kind: 'write',
      options,
      reply: dtUpdateResp,
      request: (timeout) => updateRequest(name, key, operation, options, timeout),
    });
    return answer.key;
  }

  listKeys(name: BucketName, options: CallOptions): NameCursor {
    const { deadline, timeout } = this.#listing(options);
    return new RemoteCursor(this.#pool, {
      frame: encodeFrame(rpbListKeysReq, { ...addressOf(name), timeout }),
      decode: (code, body) => {
        const { keys, done } = decodeReply(rpbListKeysResp, code, body);
        return { batch: keys.length === 0 ? undefined : keys, done: done === true };
      },
      deadline,
    });
  }

  async countKeys(name: BucketName, options: CallOptions): Promise<number> {
    const request = (timeout: number) => encodeFrame(haleCountReq, { ...addressOf(name), timeout });
    return Number((await this.#call({ kind: 'read', options, reply: haleCountResp, request })).count);
  }

  listBuckets(bucketType: ByteString, options: CallOptions): NameCursor {
    const { deadline, timeout } = this.#listing(options);
    return new RemoteCursor(this.#pool, {
      frame: encodeFrame(rpbListBucketsReq, { stream: true, type: bucketType, timeout }),
      decode: (code, body) => {
        const { buckets, done } = decodeReply(rpbListBucketsResp, code, body);
        return { batch: buckets.length === 0 ? undefined : buckets, done: done === true };
      },
      deadline,
    });
  }

  queryIndex(query: IndexQuery, options: CallOptions): Cursor<IndexBatch> {
    const { deadline, timeout } = this.#listing(options);
    return new RemoteCursor(this.#pool, { ...indexRequest(query, timeout), deadline });
  }

  follow(feed: FeedQuery, options: CallOptions): Cursor<FeedPage> {
    const { deadline } = this.#listing({ signal: options.signal });
    return new RemoteCursor(this.#pool, { ...feedRequest(feed, heartbeatMsOf(this.#timeoutMs)), deadline });
  }

  mapReduce(job: JsonJob, options: CallOptions): Cursor<readonly unknown[]> {
    // For the whole job: a phase may be silent for long.
    const whole = this.#deadline(options);
    const request = mapReduceRequest(job, Math.max(1, Math.ceil(whole.remainingMs())));
    return new RemoteCursor(this.#pool, { ...request, deadline: () => whole });
  }

  async properties(name: BucketName, options: CallOptions): Promise<BucketProperties> {
    const request = () => encodeFrame(rpbGetBucketReq, addressOf(name));
    const { props } = await this.#call({ kind: 'read', options, reply: rpbGetBucketResp, request });
    return propertiesOfMessage(props);
  }

  async setProperties(name: BucketName, changes: BucketPropertyChanges, options: CallOptions): Promise<void> {
    const props = messageOfChanges(changes);
    const request = () => encodeFrame(rpbSetBucketReq, { ...addressOf(name), props });
    // Setting the same values twice is setting them once, but another's change may come between.
    await this.#call({ kind: 'write', options, reply: rpbSetBucketResp, request });
  }

  async resetProperties(name: BucketName, options: CallOptions): Promise<void> {
    const request = () => encodeFrame(rpbResetBucketReq, addressOf(name));
    await this.#call({ kind: 'write', options, reply: rpbResetBucketResp, request });
  }

  async typeProperties(bucketType: ByteString, options: CallOptions): Promise<BucketProperties> {
    const request = () => encodeFrame(rpbGetBucketTypeReq, { type: bucketType });
    const { props } = await this.#call({ kind: 'read', options, reply: rpbGetBucketResp, request });
    return propertiesOfMessage(props);
  }

  async setTypeProperties(
    bucketType: ByteString,
    changes: BucketPropertyChanges,
    options: CallOptions,
  ): Promise<void> {
    const props = messageOfChanges(changes);
    const request = () => encodeFrame(rpbSetBucketTypeReq, { type: bucketType, props });
    await this.#call({ kind: 'write', options, reply: rpbSetBucketResp, request });
  }

  async ping(options: CallOptions): Promise<void> {
    const request = () => encodeFrame(rpbPingReq, {});
    await this.#call({ kind: 'read', options, reply: rpbPingResp, request });
  }

  close(): Promise<void> {
    this.#pool.close(closedError());
    this.#closing ??= this.#closed();
    return this.#closing;
  }

  /** A time that was given is for the whole listing, here and at the node. */
  #listing(options: CallOptions): {
    readonly deadline: () => Deadline;
    readonly timeout: number | undefined;
  } {
    if (options.timeoutMs === undefined)
      return { deadline: () => this.#deadline(options), timeout: undefined };
    const whole = this.#deadline(options);
    return { deadline: () => whole, timeout: Math.ceil(options.timeoutMs) };
  }

  #crash(reason: HaleError): void {
    this.#pool.close(reason);
    // The one whose end met the bug is known to no connection any more.
    for (const fail of this.#attempts) fail(reason);
  }

  #deadline(options: CallOptions): Deadline {
    return new Deadline(this.#environment, options, this.#timeoutMs);
  }

  async #call<T>(call: Call<T>): Promise<T> {
    const deadline = this.#deadline(call.options);
    const avoid = new Set<Host>();
    for (let attempt = 1; ; attempt += 1) {
      deadline.check();
      const lease = await this.#pool.acquire(deadline, avoid);
      try {
        const reply = await this.#attempt(lease, call, deadline, avoid.size + 1 < this.#pool.hosts.length);
        this.#pool.succeeded(lease.host);
        return reply;
      } catch (error) {
        if (!(error instanceof HaleError)) throw error;
        // A node that is slow rests only where another can take its place.
        const isSlow = error.code === 'timeout' && this.#pool.hosts.length > 1;
        if (error.code === 'connection_lost' || isSlow) this.#pool.failed(lease.host, error);
        avoid.add(lease.host);
        const hasOthers = avoid.size < this.#pool.hosts.length;
        if (attempt === attemptsMax || !mayMove(call.kind, error, hasOthers)) throw error;
      } finally {
        this.#pool.release(lease);
      }
    }
  }

  /** A read that has another node to go to waits half of its time for this one. */
  #attempt<T>(lease: Lease, call: Call<T>, deadline: Deadline, hasOthers: boolean): Promise<T> {
    const remainingMs = deadline.remainingMs();
    const waitMs = call.kind === 'read' && hasOthers ? remainingMs / 2 : remainingMs;
    const request = call.request(Math.max(1, Math.ceil(waitMs)));
    return new Promise((resolve, reject) => {
      const unwatch = deadline.watch((reason) => lease.connection.destroy(reason), waitMs);
      const fail = ({ code, message, cause }: HaleError): void =>
        reject(new HaleError(code, message, { cause, unknownOutcome: call.kind === 'write' }));
      this.#attempts.add(fail);
      const stop = (): void => {
        unwatch();
        this.#attempts.delete(fail);
      };
      lease.connection.send(request, {
        kind: call.kind,
        reply: (code, body) => {
          // The body is lent: what it decodes to are views.
          const reply = decodeReply(call.reply, code, Buffer.from(body));
          stop();
          resolve(reply);
          return true;
        },
        failed: (error) => {
          stop();
          reject(error);
        },
      });
    });
  }
}

/** A node that says it cannot is not asked again at once; one whose connection broke may be up again. */
function mayMove(kind: 'read' | 'write', { code, unknownOutcome }: HaleError, hasOthers: boolean): boolean {
  if (code === 'connection_lost') return !unknownOutcome;
  if (code === 'overload' || code === 'unavailable') return hasOthers && !unknownOutcome;
  return kind === 'read' && code === 'timeout';
}

function storedObject(contents: readonly Buffer[], context: Uint8Array): StoredObject {
  return { siblings: contents.map((content) => decodeContent(content)), context };
}
