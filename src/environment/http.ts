/**
 * HTTP/1.1 as the API sees it: one exchange per request, bytes in and out, nothing interpreted but the
 * framing. The server answers the requests of one connection in order, and hands over the next one only
 * when the response to the one before has left for the peer: a client that pipelines and never reads
 * holds one response, not a thousand.
 */
import type { Buffer } from 'node:buffer';
import type { Address } from './network.ts';

export type HttpBody =
  | { readonly kind: 'complete'; readonly bytes: Buffer }
  /** More than `bytesMax`; found out at the head of the request where that says the length. */
  | { readonly kind: 'too_large' }
  /** The server holds as many bytes of unfinished bodies as it may. */
  | { readonly kind: 'overload' }
  /** A transfer coding other than `chunked`. */
  | { readonly kind: 'unsupported_coding' }
  /** The peer went away; an answer would reach nobody. */
  | { readonly kind: 'aborted' };

/**
 * One request and its response. Answer it exactly once: `respond`, or `start`, `write`…, `end`. Answering
 * after the peer has gone is harmless.
 */
export interface HttpExchange {
  /** As sent; methods are case-sensitive. */
  readonly method: string;
  /** The request target as sent, one character (0..255) a byte. */
  readonly target: string;
  /** Name, value, name, value, … in the order sent, case kept, one character (0..255) a byte. */
  readonly headers: readonly string[];
  readonly remote: Address;
  /** Aborts when the connection closes before the response is complete. */
  readonly signal: AbortSignal;

  /** Gathers the whole body. `done` is called once, not before this method returned. Call it at most once. */
  readBody(bytesMax: number, done: (body: HttpBody) => void): void;
  /**
   * The body as it arrives, with backpressure. Throws when the peer goes away. Instead of `readBody`. Who stops early must
   * still answer; what comes is then read past.
   */
  bodyChunks(): AsyncIterable<Buffer>;

  /**
   * The whole response. `headers` is flat like those of the request, without Content-Length, Date and
   * Connection, which the server adds; values must be free of control characters. The body is left out
   * where HTTP forbids it (HEAD, 204, 304); its length still shows in the response to HEAD.
   */
  respond(status: number, headers: string[], body?: Buffer): void;
  /** Begins a response: of unknown length, unless the headers have a `Content-Length`. */
  start(status: number, headers: string[]): void;
  /** False: the peer reads slowly; wait for `drained`. */
  write(bytes: Buffer): boolean;
  /** Resolves when the peer has taken enough to go on, or has gone (see `signal`). */
  drained(): Promise<void>;
  end(): void;
  /** Cuts the connection: the only way to say that a response which has begun cannot be completed. */
  abort(): void;
}

export type HttpHandler = (exchange: HttpExchange) => void;

export interface HttpListener {
  readonly address: Address;
  readonly connections: number;
  /** Stops accepting, lets requests that are in progress finish, closes each connection after its last one. */
  close(): Promise<void>;
  /** Cuts all connections. */
  destroy(): void;
}

export interface HttpServer {
  /** Rejects with a `NetworkError`. Port 0 asks for any free port; see `HttpListener.address`. */
  listen(address: Address, handle: HttpHandler): Promise<HttpListener>;
}
