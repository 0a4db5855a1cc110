/** Cuts what arrives in any pieces into chunks of one length. */
import { Buffer } from 'node:buffer';

export class ChunkGatherer {
  readonly #chunkBytes: number;
  #pieces: Buffer[] = [];
  #held = 0;

  constructor(chunkBytes: number) {
    this.#chunkBytes = chunkBytes;
  }

  /** The chunks that are full now. They are copies: a held piece may keep a larger buffer alive. */
  *add(piece: Buffer): Iterable<Buffer> {
    let rest = piece;
    while (this.#held + rest.length >= this.#chunkBytes) {
      const taken = this.#chunkBytes - this.#held;
      this.#pieces.push(rest.subarray(0, taken));
      rest = rest.subarray(taken);
      yield this.#take();
    }
    if (rest.length > 0) {
      this.#pieces.push(rest);
      this.#held += rest.length;
    }
  }

  /** What is left at the end; undefined: nothing. */
  rest(): Buffer | undefined {
    return this.#pieces.length === 0 ? undefined : this.#take();
  }

  #take(): Buffer {
    const chunk = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#held = 0;
    return chunk;
  }
}
