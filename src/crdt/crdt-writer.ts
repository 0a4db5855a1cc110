/** Writes the parts of a data type's encoding into a buffer that grows. */
import { Buffer } from 'node:buffer';
import type { ActorId, Dot } from '../clocks/index.ts';
import { assert, type ByteString, varintSize, writeVarint } from '../stdx/index.ts';
import type { CausalContext } from './causal-context.ts';
import type { DotRanges } from './dot-ranges.ts';

const roomAtFirst = 256;
/** Up to here copying by hand is cheaper than a call. */
const shortLength = 24;
/** Where a number beyond 53 bits is cut in two. */
const lowBits = 53n;
/** Two varints. */
const dotBytesMax = 16;

export class CrdtWriter {
  #bytes: Buffer;
  #length = 0;
  /** The table that the encoding begins with. */
  #actors: readonly ActorId[] = [];

  /** `room`: bytes that will be wanted, roughly. */
  constructor(room: number = roomAtFirst) {
    this.#bytes = Buffer.allocUnsafe(room);
  }

  byte(value: number): void {
    this.#need(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  varint(value: number): void {
    this.#need(varintSize(value));
    this.#length = writeVarint(this.#bytes, this.#length, value);
  }

  /** From 0 to 2^106 - 1. */
  bigVarint(value: bigint): void {
    this.varint(Number(value >> lowBits));
    this.varint(Number(BigInt.asUintN(Number(lowBits), value)));
  }

  /** The bytes alone, of a length that the reader knows. */
  raw(bytes: ByteString): void {
    const { length } = bytes;
    this.#need(length);
    const into = this.#bytes;
    const at = this.#length;
    if (length > shortLength) into.write(bytes, at, 'latin1');
    else for (let i = 0; i < length; i += 1) into[at + i] = bytes.charCodeAt(i);
    this.#length = at + length;
  }

  /** A part of another encoding, as it is. */
  copy(from: Buffer, start: number, end: number): void {
    this.#need(end - start);
    this.#length += from.copy(this.#bytes, this.#length, start, end);
  }

  text(bytes: ByteString): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** The actors, in the order of their bytes, to which `dot` and `context` then refer. */
  actors(actors: readonly ActorId[]): void {
    this.varint(actors.length);
    for (const actor of actors) this.raw(actor);
    this.#actors = actors;
  }

  dot({ actor, counter }: Dot): void {
    this.#need(dotBytesMax);
    this.#length = writeVarint(this.#bytes, this.#length, this.#placeOf(actor));
    this.#length = writeVarint(this.#bytes, this.#length, counter);
  }

  context({ entries }: CausalContext): void {
    this.varint(entries.length);
    for (const { actor, ranges } of entries) {
      this.varint(this.#placeOf(actor));
      this.ranges(ranges);
    }
  }

  /** Gaps and lengths, each less what it is at least. */
  ranges(ranges: DotRanges): void {
    this.varint(ranges.length / 2);
    for (let i = 0; i < ranges.length; i += 2) {
      const fromMin = i === 0 ? 1 : ranges[i - 1] + 2;
      this.varint(ranges[i] - fromMin);
      this.varint(ranges[i + 1] - ranges[i]);
    }
  }

  /** What was written; the writer is used up. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #placeOf(actor: ActorId): number {
    // A handful, and mostly the very string of the table: a walk is faster than a hash.
    const place = this.#actors.indexOf(actor);
    assert(place >= 0, 'the table has every actor');
    return place;
  }

  #need(room: number): void {
    if (this.#length + room <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + room));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
