/** Values in pieces of an application in the node's own process. */
import { Buffer } from 'node:buffer';
import {
  type Cursor,
  HaleError,
  type PutOutcome,
  SourcePieces,
  type ValueSource,
} from '../../client/index.ts';
import type { LargePut, ValueStreams } from '../../kv/index.ts';
import { haleErrorOf } from './embedded-error.ts';

/** What the store takes at once of what a source gives. */
const pieceBytesMax = 512 * 1024;

/** Rejects with `KvFailure`. */
export class EmbeddedChunkCursor implements Cursor<Buffer> {
  readonly #chunks: AsyncIterator<Buffer>;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async next(): Promise<Buffer | undefined> {
    const next = await this.#chunks.next();
    // Copied: an application may keep or change what it reads.
    return next.done === true ? undefined : Buffer.from(next.value);
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

/** One value on its way into the store. */
export class EmbeddedUpload {
  readonly #streams: ValueStreams;
  readonly #pieces: SourcePieces;
  #error: HaleError | undefined;
  #giveUp: (() => void) | undefined;
  #isGivenUp = false;
  #isSent = false;

  constructor(streams: ValueStreams, source: ValueSource) {
    this.#streams = streams;
    this.#pieces = new SourcePieces(source, pieceBytesMax);
  }

  /** The store has all of it: from then on the object may be stored. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /** Rejects with `HaleError`. */
  async run(put: LargePut): Promise<PutOutcome> {
    const result = await this.#streams.put(put, this.#body());
    await this.#pieces.close();
    switch (result.kind) {
      case 'stored':
        return { generatedKey: result.generatedKey };
      case 'failed':
        throw haleErrorOf(result.error, 'write');
      default:
        throw (
          this.#error ?? new HaleError('invalid_argument', 'the source gave not the bytes that `length` says')
        );
    }
  }

  /** The store hears that there will be no more. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#giveUp?.();
  }

  async *#body(): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = await this.#next();
      // Copied: a source may use its memory again, and the store holds pieces until they are a chunk.
      if (piece.bytes.length > 0) yield Buffer.from(piece.bytes);
      if (!piece.isLast) continue;
      this.#isSent = true;
      return;
    }
  }

  #next(): ReturnType<SourcePieces['next']> {
    return new Promise((resolve, reject) => {
      const fail = (error: HaleError): void => {
        this.#error ??= error;
        reject(error);
      };
      this.#giveUp = () => fail(new HaleError('aborted', 'the stream was given up'));
      if (this.#isGivenUp) this.#giveUp();
      else this.#pieces.next().then(resolve, fail);
    });
  }
}
