import { Buffer } from 'node:buffer';
import { readVarint, varintSize } from './varint.ts';

/**
 * Reads fields of bytes that nobody vouches for. After the first that is not there or not well formed,
 * `isWhole` is false, and what was read means nothing.
 */
export class FieldReader {
  readonly #bytes: Buffer;
  #at = 0;
  #isBroken = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Everything was well formed, and nothing is left. */
  get isWhole(): boolean {
    return !this.#isBroken && this.#at === this.#bytes.length;
  }

  fail(): void {
    this.#isBroken = true;
  }

  number(): number {
    const value = readVarint(this.#bytes, this.#at, this.#bytes.length);
    if (value < 0 || this.#isBroken) {
      this.#isBroken = true;
      return 0;
    }
    this.#at += varintSize(value);
    return value;
  }

  flag(): boolean {
    const value = this.number();
    if (value > 1) this.#isBroken = true;
    return value === 1;
  }

  /** A copy: it may be kept longer than what it was read from. */
  bytes(): Buffer {
    const length = this.number();
    if (this.#isBroken || length > this.#bytes.length - this.#at) {
      this.#isBroken = true;
      return Buffer.alloc(0);
    }
    const value = Buffer.from(this.#bytes.subarray(this.#at, this.#at + length));
    this.#at += length;
    return value;
  }

  text(): string {
    const length = this.number();
    if (this.#isBroken || length > this.#bytes.length - this.#at) {
      this.#isBroken = true;
      return '';
    }
    const end = this.#at + length;
    const text = this.#bytes.toString('utf8', this.#at, end);
    // What is not well formed reads as replacement characters, or as something of another length.
    const isDoubtful = Buffer.byteLength(text) !== length || text.includes('\uFFFD');
    if (isDoubtful && !Buffer.from(text, 'utf8').equals(this.#bytes.subarray(this.#at, end))) {
      this.#isBroken = true;
    }
    this.#at = end;
    return text;
  }

  /** Each item takes at least a byte, so a false count cannot make it long. */
  list<Item>(read: () => Item): Item[] {
    const count = this.number();
    const items: Item[] = [];
    for (let i = 0; i < count && !this.#isBroken; i++) items.push(read());
    return items;
  }
}
