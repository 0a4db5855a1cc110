/**
 * A cursor over one proto2 message. It yields tags, numbers and offsets and creates no views: on the hot
 * path the `subarray` objects cost more than the parsing (see `point-request.ts`).
 *
 * Invariant: start <= position <= end <= bytes.length, and no read leaves it; a read that would is a
 * `DecodeError`. (Protocol Buffers, "Encoding".)
 */
import { DecodeError } from './decode-error.ts';

export const wireVarint = 0;
export const wireFixed64 = 1;
export const wireLengthDelimited = 2;
export const wireGroupStart = 3;
export const wireGroupEnd = 4;
export const wireFixed32 = 5;

/** A varint carries 64 bits, seven to a byte. */
const varintBytesMax = 10;
/** Groups are obsolete; they are skipped as unknown fields, no deeper than this. */
const groupDepthMax = 16;

export class ProtoReader {
  bytes: Uint8Array;
  position: number;
  end: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  /** Points the same reader at other bytes, so that a hot path allocates none. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  get atEnd(): boolean {
    return this.position >= this.end;
  }

  /** The next field's `number << 3 | wire type`, as an unsigned 32-bit number. */
  tag(): number {
    const tag = this.uint32();
    if (tag < 8) throw new DecodeError('field number 0');
    return tag;
  }

  /** The low 32 bits of a varint, as proto2 reads a longer one. */
  uint32(): number {
    const { bytes, end } = this;
    let position = this.position;
    if (position < end) {
      const first = bytes[position]!;
      if (first < 0x80) {
        this.position = position + 1;
        return first;
      }
      // Two bytes hold the length of most values.
      if (position + 1 < end && bytes[position + 1]! < 0x80) {
        this.position = position + 2;
        return (first & 0x7f) | (bytes[position + 1]! << 7);
      }
    }
    let result = 0;
    const limit = Math.min(end, position + varintBytesMax);
    for (let shift = 0; position < limit; shift += 7) {
      const byte = bytes[position]!;
      position += 1;
      if (shift < 35) result |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.position = position;
        return result >>> 0;
      }
    }
    throw new DecodeError(position === end ? 'truncated varint' : 'varint longer than ten bytes');
  }

  /** All 64 bits of a varint, unsigned. */
  uint64(): bigint {
    const limit = Math.min(this.end, this.position + varintBytesMax);
    let result = 0n;
    for (let shift = 0n; this.position < limit; shift += 7n) {
      const byte = this.bytes[this.position]!;
      this.position += 1;
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, result);
    }
    throw new DecodeError(this.position === this.end ? 'truncated varint' : 'varint longer than ten bytes');
  }

  /** Any bit of the varint set means true. */
  bool(): boolean {
    const { bytes } = this;
    const limit = Math.min(this.end, this.position + varintBytesMax);
    let bits = 0;
    while (this.position < limit) {
      const byte = bytes[this.position]!;
      this.position += 1;
      bits |= byte & 0x7f;
      if (byte < 0x80) return bits !== 0;
    }
    throw new DecodeError(this.position === this.end ? 'truncated varint' : 'varint longer than ten bytes');
  }

  /** The length of the field that starts at `position` afterwards; the field lies within the message. */
  length(): number {
    // The full width matters here: a length of 2^32 + 1 must not be read as 1.
    const at = this.position;
    let length = this.uint32();
    if (this.position - at > 4) {
      this.position = at;
      const wide = this.uint64();
      length = wide > 0xffff_ffffn ? Number.POSITIVE_INFINITY : Number(wide);
    }
    if (length > this.end - this.position) throw new DecodeError('length beyond the end of the message');
    return length;
  }

  fixed32(): number {
    const at = this.#take(4);
    return new DataView(this.bytes.buffer, this.bytes.byteOffset).getUint32(at, true);
  }

  float(): number {
    const at = this.#take(4);
    return new DataView(this.bytes.buffer, this.bytes.byteOffset).getFloat32(at, true);
  }

  /** Passes over the value of a field whose tag has been read. */
  skip(tag: number): void {
    this.#skip(tag, 0);
  }

  #skip(tag: number, depth: number): void {
    switch (tag & 7) {
      case wireVarint:
        this.bool();
        return;
      case wireFixed64:
        this.#take(8);
        return;
      case wireLengthDelimited: {
        const length = this.length();
        this.position += length;
        return;
      }
      case wireGroupStart:
        this.#skipGroup(tag >>> 3, depth + 1);
        return;
      case wireFixed32:
        this.#take(4);
        return;
      default:
        throw new DecodeError(`wire type ${tag & 7} where a field should start`);
    }
  }

  #skipGroup(field: number, depth: number): void {
    if (depth > groupDepthMax) throw new DecodeError('groups nested too deep');
    while (this.position < this.end) {
      const tag = this.tag();
      if ((tag & 7) === wireGroupEnd) {
        if (tag >>> 3 !== field) throw new DecodeError('group ends with the number of another');
        return;
      }
      this.#skip(tag, depth);
    }
    throw new DecodeError('truncated group');
  }

  #take(count: number): number {
    const at = this.position;
    if (count > this.end - at) throw new DecodeError('truncated number');
    this.position = at + count;
    return at;
  }
}
