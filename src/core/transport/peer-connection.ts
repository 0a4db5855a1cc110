/**
 * A connection cut into frames, whoever they are for just now: first a handshake, then a stream of messages or a
 * guest's question. What cannot be followed ends the connection; nothing that a stranger sends ends the node.
 */
import type { Buffer } from 'node:buffer';
import type { Connection, ConnectionHandler } from '../../environment/index.ts';
import { FrameError, FrameReader } from '../../wire/index.ts';

export interface FrameConsumer {
  /** `bytes` from `start` to `end` is the body, valid during the call; `isLasting`: and afterwards. */
  frame(kind: number, bytes: Buffer, start: number, end: number, isLasting: boolean): void;
  /** The connection takes more again. */
  drain(): void;
  /** The last call, unless another consumer took over before. */
  closed(error?: Error): void;
}

export class PeerConnection implements ConnectionHandler {
  readonly connection: Connection;
  bytesRead = 0;
  #consumer: FrameConsumer | undefined;
  #reader: FrameReader;

  constructor(connection: Connection, frameBytesMax: number) {
    this.connection = connection;
    this.#reader = new FrameReader(frameBytesMax);
  }

  /** Who gets the frames from the next on; `frameBytesMax` bounds them. Bytes read already must have been consumed. */
  consume(consumer: FrameConsumer, frameBytesMax?: number): void {
    this.#consumer = consumer;
    if (frameBytesMax !== undefined) this.#reader = new FrameReader(frameBytesMax);
  }

  /** Closes without telling the consumer. */
  abandon(): void {
    this.#consumer = undefined;
    this.connection.destroy();
  }

  /** Sends what is queued, then closes, without telling the consumer. */
  finish(): void {
    this.#consumer = undefined;
    this.connection.end();
  }

  /** Closes and tells the consumer, now. */
  fail(error: Error): void {
    const consumer = this.#consumer;
    this.abandon();
    consumer?.closed(error);
  }

  data(chunk: Buffer): void {
    const reader = this.#reader;
    this.bytesRead += chunk.length;
    if (this.#consumer === undefined) return;
    try {
      reader.feed(chunk);
      while (this.#consumer !== undefined && reader.next()) {
        this.#consumer.frame(reader.code, reader.bytes, reader.start, reader.end, reader.isLasting);
        if (reader !== this.#reader) {
          // The peer has to wait for an answer here; what it sent without waiting is lost, and it is no peer of ours.
          const isAhead = reader.next() || reader.heldBytes > 0;
          if (isAhead) this.fail(new FrameError('too-long', 'frames before their time'));
          return;
        }
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.fail(error);
    }
  }

  drain(): void {
    this.#consumer?.drain();
  }

  closed(error?: Error): void {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    consumer?.closed(error);
  }
}
