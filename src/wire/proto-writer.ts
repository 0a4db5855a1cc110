/**
 * A growing buffer that proto2 messages, and whole frames, are appended to.
 *
 * The bytes handed out by `take` are never written again, so a connection may keep them queued.
 */
import { Buffer } from 'node:buffer';
import { type ByteString, varintSize, writeVarint } from '../stdx/index.ts';

const capacityDefault = 256;

export class ProtoWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity: number = capacityDefault) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  /** Bytes written since the last `take`. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that fit without another allocation. */
  get room(): number {
    return this.#bytes.length - this.#length;
  }

  /** What was written. The writer starts anew, in the room left over if there is some. */
  take(): Buffer {
    const written = this.#bytes.subarray(0, this.#length);
    this.#bytes = this.#bytes.subarray(this.#length);
    this.#length = 0;
    return written;
  }

  /** Forgets what was written after `length`. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** Makes room for `count` more bytes, so that the writes of a message do not grow it step by step. */
  reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#length * 2, capacityDefault));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  /** Big-endian, as frame lengths are. */
  uint32BE(value: number): void {
    this.reserve(4);
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
  }

  /** Overwrites four bytes written before, at `offset` since the last `take`. */
  patchUint32BE(offset: number, value: number): void {
    this.#bytes.writeUInt32BE(value, offset);
  }

  varint(value: number): void {
    this.reserve(8);
    this.#length = writeVarint(this.#bytes, this.#length, value);
  }

  /** The low 64 bits of `value`. */
  varint64(value: bigint): void {
    this.reserve(10);
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      this.#bytes[this.#length] = Number(rest & 0x7fn) | 0x80;
      this.#length += 1;
      rest >>= 7n;
    }
    this.#bytes[this.#length] = Number(rest);
    this.#length += 1;
  }

  float(value: number): void {
    this.reserve(4);
    this.#length = this.#bytes.writeFloatLE(value, this.#length);
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Length and bytes of a length-delimited field. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  byteString(bytes: ByteString): void {
    this.varint(bytes.length);
    this.reserve(bytes.length);
    this.#length += this.#bytes.write(bytes, this.#length, 'latin1');
  }

  /** Writes the length of everything after `offset` in front of it: a nested message, once it is known. */
  prefixLength(offset: number): void {
    const length = this.#length - offset;
    const size = varintSize(length);
    this.reserve(size);
    this.#bytes.copyWithin(offset + size, offset, this.#length);
    writeVarint(this.#bytes, offset, length);
    this.#length += size;
  }
}
