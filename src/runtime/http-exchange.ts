/**
 * One request and response over `node:http`. See `environment/http.ts` for what must hold.
 */
import { Buffer } from 'node:buffer';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Address, HttpBody, HttpExchange } from '../environment/index.ts';
import type { BodyRequest, BodyTaker } from './http-request.ts';
import type { TurnResponses, WaitingResponse } from './turn-responses.ts';

/** Bodies of at most this size leave in one string with the head: one write instead of a gather of two. */
const joinedBodyBytesMax = 4096;
/** Longer than any length that fits a double exactly; Node has checked that they are digits. */
const contentLengthDigitsMax = 15;

/** Bytes of unfinished bodies, of all connections together. */
export interface BodyBudget {
  used: number;
  readonly bytesMax: number;
}

export interface ExchangeSettings {
  readonly budget: BodyBudget;
  readonly responses: TurnResponses;
  /** A peer that takes no byte of a response for so long is cut off. */
  readonly stalledWriteMs: number;
}

export class NodeHttpExchange implements HttpExchange, WaitingResponse {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly string[];
  readonly #request: BodyRequest;
  readonly #response: ServerResponse;
  readonly #settings: ExchangeSettings;
  /** The client waits for `100 Continue` before it sends the body. */
  #awaitsContinue: boolean;
  /** Of a response that waits for the end of the turn. */
  #status = 0;
  #responseHeaders: string[] | undefined;
  #responseBody: Buffer | undefined;
  #abort: AbortController | undefined;
  #body: GatheredBody | undefined;

  constructor(
    request: BodyRequest,
    response: ServerResponse,
    settings: ExchangeSettings,
    awaitsContinue: boolean,
  ) {
    this.method = request.method ?? '';
    this.target = request.url ?? '';
    this.headers = request.rawHeaders;
    this.#request = request;
    this.#response = response;
    this.#settings = settings;
    this.#awaitsContinue = awaitsContinue;
  }

  get remote(): Address {
    const { remoteAddress, remotePort } = this.#request.socket;
    return { host: remoteAddress ?? '', port: remotePort ?? 0 };
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#response.destroyed && !this.#response.writableFinished) this.#abort.abort();
    }
    return this.#abort.signal;
  }

  /** The request has been received to its last byte. */
  get received(): boolean {
    return this.#request.complete;
  }

  /** The status line has gone out. */
  get answered(): boolean {
    return this.#response.headersSent;
  }

  /** The connection's owner says that the peer has gone. */
  peerGone(): void {
    this.#body?.aborted();
    this.#abort?.abort();
  }

  readBody(bytesMax: number, done: (body: HttpBody) => void): void {
    const refusal = this.#refuseBody(bytesMax);
    if (refusal !== undefined) {
      process.nextTick(done, refusal);
      return;
    }
    this.#continue();
    this.#gather(bytesMax, done);
  }

  async *bodyChunks(): AsyncIterable<Buffer> {
    this.#continue();
    const request = this.#request;
    if (request.readableEnded) return;
    try {
      // The response to a body that is not read to its end still has to go out.
      for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
    } finally {
      // The rest of a body that nobody wants: it is read past.
      if (!request.readableEnded) request.resume();
    }
  }

  respond(status: number, headers: string[], body?: Buffer): void {
    if (this.#response.destroyed) return;
    this.#status = status;
    this.#responseHeaders = headers;
    this.#responseBody = body;
    this.#settings.responses.add(this);
  }

  leave(): void {
    const response = this.#response;
    const status = this.#status;
    const headers = this.#responseHeaders;
    const body = this.#responseBody;
    if (headers === undefined) return;
    this.#responseHeaders = undefined;
    this.#responseBody = undefined;
    if (response.destroyed) return;
    if (status !== 204 && status !== 304) headers.push('Content-Length', String(body?.length ?? 0));
    this.#closeIfBodyWillNotCome(headers);
    response.writeHead(status, headers);
    if (body === undefined || body.length === 0 || this.method === 'HEAD') response.end();
    else if (body.length <= joinedBodyBytesMax) response.end(body.toString('latin1'), 'latin1');
    else response.end(body);
    this.#watchStall();
  }

  start(status: number, headers: string[]): void {
    if (this.#response.destroyed) return;
    this.#closeIfBodyWillNotCome(headers);
    this.#response.writeHead(status, headers);
  }

  write(bytes: Buffer): boolean {
    if (this.#response.destroyed || bytes.length === 0) return true;
    const flows = this.#response.write(bytes);
    if (!flows) this.#watchStall();
    return flows;
  }

  drained(): Promise<void> {
    const response = this.#response;
    if (response.destroyed || !response.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const settle = (): void => {
        response.off('drain', settle);
        response.off('close', settle);
        resolve();
      };
      response.on('drain', settle);
      response.on('close', settle);
    });
  }

  end(): void {
    if (this.#response.destroyed) return;
    this.#response.end();
    this.#watchStall();
  }

  abort(): void {
    this.#request.socket.destroy();
  }

  #refuseBody(bytesMax: number): HttpBody | undefined {
    const { headers } = this;
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = headers[at]!;
      // The two names are told apart from most others by their length.
      if (name.length === 14 && name.toLowerCase() === 'content-length') {
        const text = headers[at + 1]!;
        if (text.length > contentLengthDigitsMax || Number(text) > bytesMax) return { kind: 'too_large' };
      } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
        if (headers[at + 1]!.toLowerCase() !== 'chunked') return { kind: 'unsupported_coding' };
      }
    }
    return undefined;
  }

  #gather(bytesMax: number, done: (body: HttpBody) => void): void {
    const request = this.#request;
    const body = new GatheredBody(this.#settings.budget, bytesMax, done);
    this.#body = body;
    if (request.readableEnded) {
      process.nextTick(() => body.ended());
      return;
    }
    if (request.takeBody(body)) return;
    request.on('data', (bytes: Buffer) => body.chunk(bytes));
    request.on('end', () => body.ended());
    if (request.destroyed) process.nextTick(() => body.aborted());
  }

  #continue(): void {
    if (!this.#awaitsContinue) return;
    this.#awaitsContinue = false;
    this.#response.writeContinue();
  }

  /** Without `100 Continue` a client may or may not send the body: the connection has lost its framing. */
  #closeIfBodyWillNotCome(headers: string[]): void {
    if (this.#awaitsContinue) headers.push('Connection', 'close');
  }

  #watchStall(): void {
    const socket: Socket | null = this.#response.socket;
    // Node puts the keep-alive timeout in its place when the response has been flushed.
    if (socket !== null && socket.writableLength > 0) socket.setTimeout(this.#settings.stalledWriteMs);
  }
}

/**
 * The chunks of a body until it is whole, or will not be. A class of its own, and no closures in a field of the exchange: with
 * those V8 (of Node 20 and 26) kept each request until the next collection of everything, and copied it at each of the young.
 */
class GatheredBody implements BodyTaker {
  readonly #budget: BodyBudget;
  readonly #bytesMax: number;
  readonly #done: (body: HttpBody) => void;
  #chunks: Buffer[] = [];
  #length = 0;
  #isSettled = false;

  constructor(budget: BodyBudget, bytesMax: number, done: (body: HttpBody) => void) {
    this.#budget = budget;
    this.#bytesMax = bytesMax;
    this.#done = done;
  }

  chunk(bytes: Buffer): void {
    if (this.#isSettled) return; // The rest of a refused body; Node reads past it.
    this.#length += bytes.length;
    this.#budget.used += bytes.length;
    if (this.#length > this.#bytesMax) this.#settle({ kind: 'too_large' });
    else if (this.#budget.used > this.#budget.bytesMax) this.#settle({ kind: 'overload' });
    else this.#chunks.push(bytes);
  }

  ended(): void {
    if (this.#isSettled) return;
    const chunks = this.#chunks;
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#length);
    this.#settle({ kind: 'complete', bytes });
  }

  aborted(): void {
    this.#settle({ kind: 'aborted' });
  }

  #settle(body: HttpBody): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#budget.used -= this.#length;
    this.#chunks = [];
    this.#done(body);
  }
}
