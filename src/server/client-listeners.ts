/**
 * Where clients reach a node: Protocol Buffers, HTTP, and HTTP at an address that is this node's alone where several
 * nodes share the first two. Each API is given what of the database it serves.
 */
import { handleHttp } from '../api/http/index.ts';
import type { PbServices } from '../api/protobuf/index.ts';
import { type Configuration, frameOverhead } from '../config/index.ts';
import type { Address, Environment, HttpListener, HttpServer } from '../environment/index.ts';
import { type MapReduce, Preflists } from '../kv/index.ts';
import { type AdminActions, adminHandler } from './admin-api.ts';
import type { ClusteredDatabase } from './clustered-database.ts';
import { listening } from './listening.ts';
import type { NodeMetrics } from './node-metrics.ts';
import { ProtobufListener } from './protobuf-listener.ts';
import { riakVersion, type Stats } from './riak-stats.ts';
import { StartError } from './start-error.ts';

export interface ClientListenersParts {
  readonly nodeName: string;
  readonly configuration: Configuration;
  readonly environment: Environment;
  /** Without it those of HTTP must be off. */
  readonly http: HttpServer | undefined;
  readonly database: ClusteredDatabase;
  readonly mapReduce: MapReduce;
  readonly metrics: NodeMetrics;
  readonly stats: () => Stats;
  readonly adminActions: AdminActions;
}

interface ClientListener {
  readonly address: Address;
  readonly connections: number;
  close(): Promise<void>;
  destroy(): void;
}

export class ClientListeners {
  readonly #parts: ClientListenersParts;
  readonly #preflists: Preflists;
  #protobuf: ProtobufListener | undefined;
  #http: HttpListener | undefined;
  #ownHttp: HttpListener | undefined;

  constructor(parts: ClientListenersParts) {
    this.#parts = parts;
    this.#preflists = new Preflists(parts.database.store, parts.database.cluster.topology);
  }

  /** Undefined if it is off, or not yet open. */
  get protobuf(): ProtobufListener | undefined {
    return this.#protobuf;
  }

  /** Undefined if it is off, or not yet open. */
  get http(): HttpListener | undefined {
    return this.#http;
  }

  /** Where another node may send a client, or its own requests: at this node, not at one beside it. */
  get announced(): { readonly http?: Address; readonly protobuf?: Address } {
    const http = this.#ownHttp?.address ?? this.#http?.address;
    const protobuf = this.#protobuf?.address;
    return { ...(http === undefined ? {} : { http }), ...(protobuf === undefined ? {} : { protobuf }) };
  }

  /** Rejects with `StartError`; what it had opened by then is closed by `close`. */
  async open(): Promise<void> {
    this.#protobuf = await this.#listenProtobuf();
    this.#http = await this.#listenHttp('listener.http.internal');
    this.#ownHttp = await this.#listenHttp('listener.own.internal');
  }

  /** Nothing new is accepted; resolves when the requests in progress have been answered. */
  async close(): Promise<void> {
    await Promise.all(this.#open.map((listener) => listener.close()));
  }

  /** Cuts all connections. */
  destroy(): void {
    for (const listener of this.#open) listener.destroy();
  }

  get #open(): readonly ClientListener[] {
    return [this.#http, this.#ownHttp, this.#protobuf].filter((listener) => listener !== undefined);
  }

  async #listenProtobuf(): Promise<ProtobufListener | undefined> {
    const { configuration, environment } = this.#parts;
    const address = configuration['listener.protobuf.internal'];
    if (address === 'off') return undefined;
    const connectionsMax = configuration['protobuf.connections.maximum'];
    return listening(address, 'listener.protobuf.internal', () =>
      ProtobufListener.listen(environment.network, address, this.#protobufServices(), connectionsMax),
    );
  }

  #protobufServices(): PbServices {
    const { configuration, database, environment, mapReduce, metrics, nodeName } = this.#parts;
    const { store, datatypes, largeValues } = database;
    return {
      store,
      preflists: this.#preflists,
      indexes: store.indexes,
      datatypes,
      feeds: store.feeds,
      mapReduce,
      streams: {
        values: largeValues.streams,
        timers: environment.timers,
        pieceMsMax: configuration['large_values.piece_timeout'],
        streamMsMax: configuration['large_values.upload_timeout'],
      },
      serverInfo: { node: nodeName, version: riakVersion },
      limits: {
        frameBytesMax: configuration['protobuf.frame.maximum'],
        heldBytesMax: configuration['protobuf.held.maximum'],
        stalledWriteMs: configuration['protobuf.stalled_write_timeout'],
      },
      observer: {
        connectionOpened: () => metrics.protobufConnects.add(),
        connectionClosed: () => undefined,
        requestFinished: (_code, failed) => {
          metrics.protobufRequests.add();
          if (failed) metrics.protobufErrors.add();
        },
      },
      tasks: environment.tasks,
    };
  }

  async #listenHttp(
    key: 'listener.http.internal' | 'listener.own.internal',
  ): Promise<HttpListener | undefined> {
    const { adminActions, configuration, database, environment, http, mapReduce, stats } = this.#parts;
    const address = configuration[key];
    if (address === 'off') return undefined;
    if (http === undefined) throw new StartError('configuration', `${key} must be "off" here`);
    const { clock, random, tasks } = environment;
    const { store, datatypes, largeValues } = database;
    const services = {
      store,
      preflists: this.#preflists,
      indexes: store.indexes,
      datatypes,
      feeds: store.feeds,
      largeValues,
      mapReduce,
      clock,
      stats,
      admin: adminHandler(adminActions, tasks),
      random,
      tasks,
      limits: { bodyBytesMax: configuration['object.size.maximum'] + frameOverhead },
    };
    return listening(address, key, () => http.listen(address, (exchange) => handleHttp(exchange, services)));
  }
}
