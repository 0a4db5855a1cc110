/** One connection to a node, with at most one request in progress. */
import type { Buffer } from 'node:buffer';
import type { Connection, ConnectionHandler } from '../../environment/index.ts';
import { assert, textOfBytes } from '../../stdx/index.ts';
import { decodeMessage, FrameReader, rpbErrorResp } from '../../wire/index.ts';
import { HaleError } from '../hale-error.ts';
import { errorOfReply } from './error-of-reply.ts';

/** Above the largest object that a node can be made to store. */
const frameBytesMax = 256 * 1024 * 1024;

export interface Exchange {
  readonly kind: 'read' | 'write';
  /** A reply's body, lent for the call. True: that was the last one. May throw. */
  reply(code: number, body: Buffer): boolean;
  /** The last call, unless a reply was. */
  failed(error: HaleError): void;
}

export class PbConnection implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #onClosed: (connection: PbConnection) => void;
  readonly #frames = new FrameReader(frameBytesMax);
  #exchange: Exchange | undefined;
  #isOpen = true;

  constructor(connection: Connection, onClosed: (connection: PbConnection) => void) {
    this.#connection = connection;
    this.#onClosed = onClosed;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** No request is in progress. */
  get isIdle(): boolean {
    return this.#exchange === undefined;
  }

  send(request: Buffer, exchange: Exchange): void {
    assert(this.#exchange === undefined, 'one request at a time');
    if (!this.#isOpen) {
      exchange.failed(
        new HaleError('connection_lost', 'the connection had closed before the request was sent'),
      );
      return;
    }
    this.#exchange = exchange;
    this.#connection.write(request);
  }

  /** A further part of the request in progress. Nothing is sent if that has ended. */
  sendMore(part: Buffer): void {
    if (this.#isOpen && this.#exchange !== undefined) this.#connection.write(part);
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  /** Ends the request in progress, if any, with `reason`; if that is a write, nobody knows its outcome. */
  destroy({ code, message, cause }: HaleError): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#connection.destroy();
    this.#onClosed(this);
    const unknownOutcome = this.#exchange?.kind === 'write';
    this.#end(new HaleError(code, message, { cause, unknownOutcome }));
  }

  data(chunk: Buffer): void {
    try {
      this.#frames.feed(chunk);
      while (this.#isOpen && this.#frames.next()) this.#frame();
    } catch (cause) {
      this.destroy(new HaleError('protocol', 'the node sent what is no reply', { cause }));
    }
  }

  drain(): void {
    // One request at a time: there is nothing to hold back.
  }

  closed(cause?: Error): void {
    const unknownOutcome = this.#exchange?.kind === 'write';
    const text = 'the connection closed before the reply came';
    if (this.#isOpen) {
      this.#isOpen = false;
      this.#onClosed(this);
    }
    this.#end(new HaleError('connection_lost', text, { cause, unknownOutcome }));
  }

  #frame(): void {
    const { code, bytes, start, end } = this.#frames;
    const exchange = this.#exchange;
    if (exchange === undefined) throw new HaleError('protocol', `a reply, code ${code}, to no request`);
    if (code === rpbErrorResp.code) {
      const { errmsg } = decodeMessage(rpbErrorResp, bytes, start, end);
      this.#exchange = undefined;
      exchange.failed(errorOfReply(textOfBytes(errmsg), exchange.kind));
      return;
    }
    if (exchange.reply(code, bytes.subarray(start, end))) this.#exchange = undefined;
  }

  #end(error: HaleError): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.failed(error);
  }
}
