/**
 * A request of `node:http` whose body may be taken as the parser finds it, without the machinery of a stream: for a body
 * that comes with its head that is most of what the body costs.
 */
import type { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

export interface BodyTaker {
  /** The chunk is given away. */
  chunk(bytes: Buffer): void;
  ended(): void;
}

export interface BodyRequest extends IncomingMessage {
  /** False: some of the body has come already, and has to be read as a stream. Else the stream will have no data. */
  takeBody(taker: BodyTaker): boolean;
}

/** `Message`: the class of `node:http`, which is loaded when there is a listener. */
export function bodyRequestClass(
  Message: typeof IncomingMessage,
): typeof IncomingMessage & (new (socket: Socket) => BodyRequest) {
  return class extends Message implements BodyRequest {
    #taker: BodyTaker | undefined;
    #hasBegun = false;

    takeBody(taker: BodyTaker): boolean {
      if (this.#hasBegun || this.destroyed) return false;
      this.#taker = taker;
      return true;
    }

    /** Called by the parser: with a chunk of the body, and with null at its end. */
    override push(chunk: unknown, encoding?: BufferEncoding): boolean {
      this.#hasBegun = true;
      const taker = this.#taker;
      if (taker === undefined) return super.push(chunk, encoding);
      if (chunk !== null) {
        taker.chunk(chunk as Buffer);
        return true;
      }
      this.#taker = undefined;
      // The stream ends, too, when Node has sent the response and reads past what is left.
      const flows = super.push(null);
      taker.ended();
      return flows;
    }
  };
}
