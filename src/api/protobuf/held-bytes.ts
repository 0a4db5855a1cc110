/**
 * Bytes of requests that have begun to arrive, of all connections together. Each connection is bounded by itself, but a
 * crowd of them is not.
 */
export class HeldBytes {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isFull(): boolean {
    return this.#bytes > this.#bytesMax;
  }

  /** A connection that held so many holds so many now. */
  changed(before: number, after: number): void {
    this.#bytes += after - before;
  }
}
