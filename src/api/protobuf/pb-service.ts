/** What all Protocol Buffers connections of a node share. */
import type { Connection, ConnectionHandler, Tasks } from '../../environment/index.ts';
import type {
  ChangeFeeds,
  Datatypes,
  IndexQuerying,
  KeyValueStore,
  MapReduce,
  Preflists,
} from '../../kv/index.ts';
import { assert, type ByteString, bytesOfText } from '../../stdx/index.ts';
import { GetRequestReader, PutRequestReader } from '../../wire/index.ts';
import { HeldBytes } from './held-bytes.ts';
import { LongReplies } from './long-replies.ts';
import { PbConnection } from './pb-connection.ts';
import { TurnFlusher } from './reply-queue.ts';
import { type PbStreams, StreamedPuts } from './stream-put-request.ts';
import { UntakenReplies } from './untaken-replies.ts';

/** Calls come on the hot path: implementations count and return. */
export interface PbObserver {
  connectionOpened(): void;
  connectionClosed(): void;
  /** One request was answered; `failed`: with an error. */
  requestFinished(code: number, failed: boolean): void;
}

export const silentPbObserver: PbObserver = {
  connectionOpened() {},
  connectionClosed() {},
  requestFinished() {},
};

export interface PbServices {
  readonly store: KeyValueStore;
  /** Absent: requests for preference lists are unknown. */
  readonly preflists?: Preflists;
  /** Absent: secondary indexes cannot be asked. */
  readonly indexes?: IndexQuerying;
  /** Absent: requests to data types are unknown. */
  readonly datatypes?: Datatypes;
  /** Absent: requests for change feeds are unknown. */
  readonly feeds?: Pick<ChangeFeeds, 'open'>;
  /** Absent: requests for MapReduce are unknown. */
  readonly mapReduce?: MapReduce | undefined;
  /** Absent: requests for values in pieces are unknown. */
  readonly streams?: PbStreams;
  readonly serverInfo: {
    /** `name@host`. */
    readonly node: string;
    /** Three integers, such as `3.2.0`: clients parse it, and choose what to use of the protocol by it. */
    readonly version: string;
  };
  readonly limits: {
    /** Bounds the length field of a request; above the largest object with its metadata. */
    readonly frameBytesMax: number;
    /** Bytes of requests still arriving, and as many of replies not taken, of all connections. Default: 512 MiB. */
    readonly heldBytesMax?: number;
    /** How long a client may take no byte of its replies before it is cut off. Default: 60 s. */
    readonly stalledWriteMs?: number;
  };
  readonly observer: PbObserver;
  readonly tasks: Tasks;
}

const heldBytesMaxDefault = 512 * 1024 * 1024;
const stalledWriteMsDefault = 60_000;

export class PbService {
  readonly store: KeyValueStore;
  readonly preflists: Preflists | undefined;
  readonly indexes: IndexQuerying | undefined;
  readonly datatypes: Datatypes | undefined;
  readonly feeds: Pick<ChangeFeeds, 'open'> | undefined;
  readonly mapReduce: MapReduce | undefined;
  readonly streams: PbStreams | undefined;
  readonly streamedPuts = new StreamedPuts();
  readonly tasks: Tasks;
  readonly observer: PbObserver;
  readonly frameBytesMax: number;
  readonly node: ByteString;
  readonly version: ByteString;
  readonly flusher: TurnFlusher;
  readonly longReplies: LongReplies;
  readonly arriving: HeldBytes;
  readonly untaken: UntakenReplies;
  /** Scratch, used and done with inside one call. */
  readonly getRequest = new GetRequestReader();
  readonly putRequest = new PutRequestReader();
  readonly #connections = new Set<PbConnection>();
  readonly #stalledWriteMs: number;
  #draining = false;

  constructor({
    store,
    preflists,
    indexes,
    datatypes,
    feeds,
    mapReduce,
    streams,
    serverInfo,
    limits,
    observer,
    tasks,
  }: PbServices) {
    assert(/^\d+\.\d+\.\d+$/.test(serverInfo.version), 'the server version is three integers');
    this.store = store;
    this.preflists = preflists;
    this.indexes = indexes;
    this.datatypes = datatypes;
    this.feeds = feeds;
    this.mapReduce = mapReduce;
    this.streams = streams;
    this.tasks = tasks;
    this.observer = observer;
    this.frameBytesMax = limits.frameBytesMax;
    this.node = bytesOfText(serverInfo.node);
    this.version = bytesOfText(serverInfo.version);
    this.flusher = new TurnFlusher(tasks);
    this.longReplies = new LongReplies(tasks);
    this.arriving = new HeldBytes(limits.heldBytesMax ?? heldBytesMaxDefault);
    this.untaken = new UntakenReplies(limits.heldBytesMax ?? heldBytesMaxDefault);
    this.#stalledWriteMs = limits.stalledWriteMs ?? stalledWriteMsDefault;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#connections.size;
  }

  accept(connection: Connection): ConnectionHandler {
    const handler = new PbConnection(connection, this);
    this.#connections.add(handler);
    connection.cutOffAfter?.(this.#stalledWriteMs);
    this.observer.connectionOpened();
    if (this.#draining) handler.drainAndEnd();
    return handler;
  }

  /** Ends every connection once the request in progress on it is answered. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#connections) connection.drainAndEnd();
  }

  forget(connection: PbConnection): void {
    this.streamedPuts.breakOff(connection);
    if (this.#connections.delete(connection)) this.observer.connectionClosed();
  }
}

/** The handler of one connection. `service` is made once and shared by all. */
export function servePbConnection(connection: Connection, service: PbService): ConnectionHandler {
  return service.accept(connection);
}
