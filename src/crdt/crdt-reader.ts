/**
 * Reads the parts of a data type's encoding. Bytes come from disks, peers and, as siblings, from clients:
 * all that is not exactly what the writer writes is refused, so that what was decoded encodes to the same
 * bytes, and counts are believed only as far as bytes are there for them.
 */
import { type ActorId, actorBytes, type Dot } from '../clocks/index.ts';
import { type ByteString, byteStringOf, readVarint, varintSize } from '../stdx/index.ts';
import { CausalContext, type ContextEntry } from './causal-context.ts';
import type { DotRanges } from './dot-ranges.ts';

/** The bytes are not a data type, or not in a version that is known. The only error that decoding throws. */
export class CrdtFormatError extends Error {
  override readonly name = 'CrdtFormatError';
  /** Where in the bytes it was found. */
  readonly offset: number;
  constructor(reason: string, offset: number) {
    super(`not a data type: ${reason} at byte ${offset}`);
    this.offset = offset;
  }
}

const lowBits = 53n;

export class CrdtReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;
  #actors: readonly ActorId[] = [];
  #used: boolean[] = [];
  /** All bytes as a string, once a part of it is asked for. */
  #text: ByteString | undefined;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  get position(): number {
    return this.#position;
  }

  byte(): number {
    if (this.#position >= this.#end) this.fail('it is cut off');
    this.#position += 1;
    return this.#bytes[this.#position - 1];
  }

  varint(): number {
    const value = readVarint(this.#bytes, this.#position, this.#end);
    if (value < 0) this.fail('a number is malformed');
    this.#position += varintSize(value);
    return value;
  }

  /** A number of things of at least `bytesMin` bytes each. */
  count(bytesMin: number): number {
    const count = this.varint();
    if (count * bytesMin > this.#end - this.#position) this.fail('a count is beyond the end');
    return count;
  }

  bigVarint(): bigint {
    const high = this.varint();
    const low = BigInt(this.varint());
    return high === 0 ? low : (BigInt(high) << lowBits) | low;
  }

  raw(length: number): ByteString {
    const start = this.#position;
    const end = start + length;
    if (end > this.#end) this.fail('it is cut off');
    this.#position = end;
    // One call for all bytes and a slice for each name: a call for each name costs several times as much.
    this.#text ??= byteStringOf(this.#bytes, 0, this.#end);
    return this.#text.slice(start, end) as ByteString;
  }

  text(): ByteString {
    return this.raw(this.varint());
  }

  actors(): void {
    const count = this.count(actorBytes);
    const actors: ActorId[] = [];
    for (let i = 0; i < count; i += 1) {
      const actor = this.raw(actorBytes);
      if (i > 0 && actors[i - 1] >= actor) this.fail('actors do not ascend');
      actors.push(actor);
    }
    this.#actors = actors;
    this.#used = actors.map(() => false);
  }

  dot(): Dot {
    const actor = this.#actor();
    const counter = this.varint();
    return { actor, counter };
  }

  /** Not empty, save where the encoding says otherwise. */
  context(): CausalContext {
    const count = this.count(4);
    const entries: ContextEntry[] = [];
    for (let i = 0; i < count; i += 1) {
      const actor = this.#actor();
      this.#used[this.#actors.indexOf(actor)] = true;
      if (i > 0 && entries[i - 1].actor >= actor) this.fail('a context does not ascend');
      entries.push({ actor, ranges: this.ranges() });
    }
    return CausalContext.ofSorted(entries);
  }

  ranges(): DotRanges {
    const count = this.count(2);
    if (count === 0) this.fail('an actor of a context has no dots');
    const ranges: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const fromMin = i === 0 ? 1 : ranges[2 * i - 1] + 2;
      const from = fromMin + this.varint();
      const to = from + this.varint();
      if (!Number.isSafeInteger(to)) this.fail('a counter is too great');
      ranges.push(from, to);
    }
    return ranges;
  }

  /** Everything must have been read, and every actor used. */
  finish(): void {
    if (this.#position !== this.#end) this.fail('bytes are left over');
    if (this.#used.includes(false)) this.fail('an actor is not used');
  }

  fail(reason: string): never {
    throw new CrdtFormatError(reason, this.#position);
  }

  #actor(): ActorId {
    const place = this.varint();
    if (place >= this.#actors.length) this.fail('an actor is unknown');
    return this.#actors[place];
  }
}
