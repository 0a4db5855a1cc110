/** What an application gives as a value in pieces: any iterable of bytes, cut to pieces of a bounded length. */
import { Buffer } from 'node:buffer';
import { HaleError } from './hale-error.ts';

/** A Node stream, a web stream, a generator, an array. */
export type ValueSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface SourcePiece {
  readonly bytes: Buffer;
  readonly isLast: boolean;
}

/** What a mistake would otherwise store number by number. */
async function* piecesOf(source: ValueSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) yield source;
  else yield* source;
}

/** Whatever a source throws, as an error of the client. */
function sourceError(cause: unknown): HaleError {
  return new HaleError('aborted', 'the source of the stream failed', { cause });
}

/** Each piece is a view of what the source gave: to be used before the next one is asked for. */
export class SourcePieces {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #bytesMax: number;
  #rest: Buffer = Buffer.alloc(0);
  #hasEnded = false;

  constructor(source: ValueSource, bytesMax: number) {
    this.#source = piecesOf(source);
    this.#bytesMax = bytesMax;
  }

  /** Rejects with `aborted` if the source fails, and with `invalid_value` if it gives anything but bytes. */
  async next(): Promise<SourcePiece> {
    while (this.#rest.length === 0 && !this.#hasEnded) await this.#pull();
    const bytes = this.#rest.subarray(0, this.#bytesMax);
    this.#rest = this.#rest.subarray(bytes.length);
    return { bytes, isLast: this.#hasEnded && this.#rest.length === 0 };
  }

  /** Tells the source that no more is wanted. Does not wait for one that never answers. */
  async close(): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    try {
      void this.#source.return?.().then(undefined, () => undefined);
    } catch {
      // It is not asked again: how it ends is its own affair.
    }
  }

  async #pull(): Promise<void> {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await this.#source.next();
    } catch (cause) {
      this.#hasEnded = true;
      throw sourceError(cause);
    }
    if (next.done === true) {
      this.#hasEnded = true;
      return;
    }
    const { value } = next;
    if (!(value instanceof Uint8Array)) {
      throw new HaleError('invalid_value', 'the source of the stream gave what is no bytes');
    }
    this.#rest = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
}
