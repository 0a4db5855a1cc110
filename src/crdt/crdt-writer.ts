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

export class CrdtWriter {
  #bytes = Buffer.allocUnsafe(roomAtFirst);
  #length = 0;
  /** The place of each actor in the table that the encoding begins with. */
  #places: ReadonlyMap<ActorId, number> = new Map();

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
    this.#need(bytes.length);
    if (bytes.length > shortLength) {
      this.#bytes.write(bytes, this.#length, 'latin1');
    } else {
      for (let i = 0; i < bytes.length; i += 1) this.#bytes[this.#length + i] = bytes.charCodeAt(i);
    }
    this.#length += bytes.length;
  }

  text(bytes: ByteString): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** The actors, in the order of their bytes, to which `dot` and `context` then refer. */
  actors(actors: readonly ActorId[]): void {
    this.varint(actors.length);
    for (const actor of actors) this.raw(actor);
    this.#places = new Map(actors.map((actor, place) => [actor, place]));
  }

  dot({ actor, counter }: Dot): void {
    this.#place(actor);
    this.varint(counter);
  }

  context({ entries }: CausalContext): void {
    this.varint(entries.length);
    for (const { actor, ranges } of entries) {
      this.#place(actor);
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

  #place(actor: ActorId): void {
    const place = this.#places.get(actor);
    assert(place !== undefined, 'the table has every actor');
    this.varint(place);
  }

  #need(room: number): void {
    if (this.#length + room <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + room));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
