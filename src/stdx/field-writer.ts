import { Buffer } from 'node:buffer';
import { varintSize, writeVarint } from './varint.ts';

const firstBytes = 256;

/** Appends fields to a buffer that grows. */
export class FieldWriter {
  #bytes = Buffer.allocUnsafe(firstBytes);
  #length = 0;

  number(value: number): void {
    this.#reserve(varintSize(value));
    this.#length = writeVarint(this.#bytes, this.#length, value);
  }

  flag(value: boolean): void {
    this.number(value ? 1 : 0);
  }

  bytes(value: Uint8Array): void {
    this.number(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.number(length);
    this.#reserve(length);
    this.#length += this.#bytes.write(value, this.#length);
  }

  list<Item>(items: readonly Item[], write: (item: Item) => void): void {
    this.number(items.length);
    for (const item of items) write(item);
  }

  /** What was written; the writer must not be used afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + count));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
