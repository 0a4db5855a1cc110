/**
 * HTTP/1.1 over `node:http`, with what that leaves to its user:
 *
 * - Node calls the handler for every pipelined request at once. Here each connection has one exchange in
 *   progress; the others wait, the socket stops being read when there are many, and the next one starts
 *   when the response before it has been flushed.
 * - Framings that two parsers may read differently (request smuggling) are refused by Node's strict
 *   parser; after a bad request nothing more is read from that connection.
 * - Slow and silent peers: bounded by the header, request, idle and stalled-write timeouts; their
 *   unfinished bodies by one budget for all connections.
 */
import type { Server, ServerOptions, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo, Socket } from 'node:net';
import type { Address, HttpHandler, HttpListener, HttpServer, Log } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';
import { type ExchangeSettings, NodeHttpExchange } from './http-exchange.ts';
import { type BodyRequest, bodyRequestClass } from './http-request.ts';
import { networkErrorOf } from './network-failure.ts';
import { TurnResponses } from './turn-responses.ts';

/**
 * Not by `import`: that reads every property of the module, and `WebSocket` among them loads the whole of Node's `fetch`,
 * a tenth of the start of a node.
 */
const { createServer, IncomingMessage } = createRequire(import.meta.url)(
  'node:http',
) as typeof import('node:http');

export interface HttpServerLimits {
  readonly connectionsMax: number;
  /** The request line and all headers of one request. */
  readonly headerBytesMax: number;
  /** Requests of one connection that wait for their turn before its socket stops being read. */
  readonly pipelinedMax: number;
  /** Bytes of unfinished request bodies, all connections together. */
  readonly bodiesBytesMax: number;
  readonly headersTimeoutMs: number;
  /** For a whole request, first byte to last. */
  readonly requestTimeoutMs: number;
  /** Between requests. */
  readonly idleTimeoutMs: number;
  readonly stalledWriteMs: number;
}

export const defaultHttpServerLimits: HttpServerLimits = {
  connectionsMax: 20_000,
  headerBytesMax: 64 * 1024,
  pipelinedMax: 32,
  bodiesBytesMax: 512 * 1024 * 1024,
  headersTimeoutMs: 60_000,
  requestTimeoutMs: 600_000,
  idleTimeoutMs: 300_000,
  stalledWriteMs: 60_000,
};

/** How often Node looks for requests past their timeout. */
const timeoutCheckMs = 5_000;
const keepAliveAfterMs = 60_000;
const listenBacklog = 1024;

export class NodeHttpServer implements HttpServer {
  readonly #log: Log;
  readonly #limits: HttpServerLimits;

  constructor(log: Log, limits: Partial<HttpServerLimits> = {}) {
    this.#log = log;
    this.#limits = { ...defaultHttpServerLimits, ...limits };
  }

  listen(address: Address, handle: HttpHandler): Promise<HttpListener> {
    const limits = this.#limits;
    const options: ServerOptions & { readonly optimizeEmptyRequests: boolean } = {
      IncomingMessage: bodyRequestClass(IncomingMessage),
      // A request without a body has no stream that ends. Node 20 knows nothing of it.
      optimizeEmptyRequests: true,
      insecureHTTPParser: false,
      requireHostHeader: true,
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.idleTimeoutMs,
      connectionsCheckingInterval: Math.min(timeoutCheckMs, limits.headersTimeoutMs),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveAfterMs,
    };
    const server = createServer(options);
    // Node would drop headers beyond a count without a word; their bytes are bounded already.
    server.maxHeadersCount = 0;
    server.maxConnections = limits.connectionsMax;
    const listener = new NodeHttpListener(server, handle, limits, this.#log);
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => reject(networkErrorOf(error));
      server.once('error', failed);
      server.listen({ host: address.host, port: address.port, backlog: listenBacklog }, () => {
        server.off('error', failed);
        resolve(listener);
      });
    });
  }
}

class NodeHttpListener implements HttpListener {
  readonly #server: Server;
  readonly #handle: HttpHandler;
  readonly #limits: HttpServerLimits;
  readonly #settings: ExchangeSettings;
  readonly #connections = new Map<Socket, HttpConnection>();
  #address: Address | undefined;
  #closing = false;

  constructor(server: Server, handle: HttpHandler, limits: HttpServerLimits, log: Log) {
    this.#server = server;
    this.#handle = handle;
    this.#limits = limits;
    this.#settings = {
      budget: { used: 0, bytesMax: limits.bodiesBytesMax },
      responses: new TurnResponses(),
      stalledWriteMs: limits.stalledWriteMs,
    };
    // A server that is closed does not know it any more, and who stops may still be asked where it listened.
    server.once('listening', () => {
      const { address, port } = server.address() as AddressInfo;
      this.#address = { host: address, port };
    });
    server.on('connection', (socket: Socket) => this.#connected(socket));
    server.on('request', (request: BodyRequest, response: ServerResponse) =>
      this.#requested(request, response, false),
    );
    server.on('checkContinue', (request: BodyRequest, response: ServerResponse) =>
      this.#requested(request, response, true),
    );
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const connection = this.#connections.get(socket as Socket);
      if (connection === undefined) socket.destroy();
      else connection.malformed(error);
    });
    // A failed accept (no file descriptors left) costs that connection only. A listener that could not even
    // begin tells whoever asked for it.
    server.on('error', (error) => {
      if (server.listening) log.warn('http listener failed', { error: error.message });
    });
  }

  get address(): Address {
    assert(this.#address !== undefined, 'it listens, or did');
    return this.#address;
  }

  get connections(): number {
    return this.#connections.size;
  }

  close(): Promise<void> {
    this.#closing = true;
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const connection of this.#connections.values()) connection.closeWhenIdle();
    return closed;
  }

  destroy(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  #connected(socket: Socket): void {
    const connection = new HttpConnection(socket, this.#handle, this.#limits.pipelinedMax);
    this.#connections.set(socket, connection);
    socket.on('close', () => {
      this.#connections.delete(socket);
      connection.closed();
    });
    if (this.#closing) connection.closeWhenIdle();
  }

  #requested(request: BodyRequest, response: ServerResponse, awaitsContinue: boolean): void {
    const connection = this.#connections.get(request.socket);
    if (connection === undefined) return; // Parsed from what a socket held when it was cut.
    const exchange = new NodeHttpExchange(request, response, this.#settings, awaitsContinue);
    response.on('close', connection.finished);
    connection.accept(exchange);
  }
}

class HttpConnection {
  readonly #socket: Socket;
  readonly #handle: HttpHandler;
  readonly #pipelinedMax: number;
  readonly #waiting: NodeHttpExchange[] = [];
  #current: NodeHttpExchange | undefined;
  #paused = false;
  #closesWhenIdle = false;
  /** What to say, after the requests before it are answered, of the one that could not be read. */
  #lastWords: string | undefined;
  /** The response in progress has been flushed to the peer, or the connection closed. */
  readonly finished = (): void => this.#finished();

  constructor(socket: Socket, handle: HttpHandler, pipelinedMax: number) {
    this.#socket = socket;
    this.#handle = handle;
    this.#pipelinedMax = pipelinedMax;
  }

  accept(exchange: NodeHttpExchange): void {
    if (this.#current !== undefined) {
      this.#waiting.push(exchange);
      // What has been read already is still parsed: at most one read buffer of requests above the limit.
      if (this.#waiting.length >= this.#pipelinedMax && !this.#paused) {
        this.#paused = true;
        this.#socket.pause();
      }
      return;
    }
    this.#current = exchange;
    this.#handle(exchange);
  }

  #finished(): void {
    if (this.#socket.destroyed) return;
    this.#current = this.#waiting.shift();
    if (this.#paused && this.#waiting.length === 0) {
      this.#paused = false;
      this.#socket.resume();
    }
    if (this.#current !== undefined) {
      this.#handle(this.#current);
    } else if (this.#lastWords !== undefined) {
      this.#socket.end(this.#lastWords);
      this.#socket.destroySoon();
    } else if (this.#closesWhenIdle) {
      this.#socket.end();
    }
  }

  /** Node's parser, or one of its timeouts, gave up on what the peer sends. */
  malformed(error: NodeJS.ErrnoException): void {
    if (error.code === 'ECONNRESET' || !this.#socket.writable) {
      this.#socket.destroy();
      return;
    }
    if (this.#lastWords !== undefined) return;
    this.#lastWords = refusalOf(error.code);
    const newest = this.#waiting.at(-1) ?? this.#current;
    if (newest === undefined) {
      this.#socket.end(this.#lastWords);
      this.#socket.destroySoon();
      return;
    }
    // A body broken off in the middle: its request must have no effect.
    if (!newest.received) this.#breakOff(newest);
  }

  closeWhenIdle(): void {
    this.#closesWhenIdle = true;
    if (this.#current === undefined) this.#socket.end();
  }

  closed(): void {
    this.#waiting.length = 0;
    const gone = this.#current;
    this.#current = undefined;
    gone?.peerGone();
  }

  #breakOff(exchange: NodeHttpExchange): void {
    if (exchange !== this.#current) {
      this.#waiting.pop();
      return;
    }
    exchange.leave();
    if (!exchange.answered) this.#socket.write(this.#lastWords!);
    this.#socket.destroySoon();
  }
}

function refusalOf(code: string | undefined): string {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return refusal('431 Request Header Fields Too Large', 'The request headers are too large.\n');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refusal('408 Request Timeout', 'The request did not arrive in time.\n');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return refusal('413 Payload Too Large', 'The chunk extensions are too large.\n');
    default:
      return refusal('400 Bad Request', 'The request is not well-formed HTTP/1.1.\n');
  }
}

function refusal(status: string, text: string): string {
  return `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`;
}
