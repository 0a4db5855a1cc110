/**
 * Large values that were decoded or made a moment ago: the next update of a set of ten thousand elements, or the next
 * read of it, then costs a comparison of its bytes instead of decoding them all.
 *
 * An entry is found by its length and how it begins, which is where a data type has what it has seen, and so differs from
 * version to version; it is used only if all of its bytes are those that are asked for. The least recently used
 * go first. What is decoded is immutable, and shared by all who ask.
 */
import type { Buffer } from 'node:buffer';
import type { Crdt } from '../../crdt/index.ts';
import { type CrdtDecoder, decodedCrdt } from './crdt-decoder.ts';

/** Shorter values are decoded in no time. */
const valueBytesMin = 1024;
/** What tells versions apart; two keys that begin alike only take each other's place. */
const headBytes = 64;
/** Bytes of memory that a decoded value takes for each byte of its encoding, roughly (docs/internals/crdt.md). */
const memoryFactor = 24;

interface Entry {
  readonly bytes: Buffer;
  readonly crdt: Crdt;
}

export class DecodedValues implements CrdtDecoder {
  readonly #memoryMax: number;
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();
  #memory = 0;
  #hits = 0;
  #misses = 0;

  /** `memoryMax`: bytes that may be held, by estimate; 0: none. */
  constructor(memoryMax: number) {
    this.#memoryMax = memoryMax;
  }

  get hits(): number {
    return this.#hits;
  }

  get misses(): number {
    return this.#misses;
  }

  /** Bytes, by estimate. */
  get memory(): number {
    return this.#memory;
  }

  decode(bytes: Buffer): Crdt | undefined {
    if (bytes.length < valueBytesMin || this.#memoryMax === 0) return decodedCrdt(bytes);
    const name = nameOf(bytes);
    const entry = this.#entries.get(name);
    if (entry?.bytes.equals(bytes)) {
      this.#hits += 1;
      this.#entries.delete(name);
      this.#entries.set(name, entry);
      return entry.crdt;
    }
    this.#misses += 1;
    const crdt = decodedCrdt(bytes);
    if (crdt !== undefined) this.#keep(name, { bytes, crdt });
    return crdt;
  }

  remember(bytes: Buffer, crdt: Crdt): void {
    if (bytes.length >= valueBytesMin) this.#keep(nameOf(bytes), { bytes, crdt });
  }

  #keep(name: string, entry: Entry): void {
    const memory = memoryOf(entry);
    if (memory > this.#memoryMax) return;
    this.#forget(name);
    this.#entries.set(name, entry);
    this.#memory += memory;
    for (const oldest of this.#entries.keys()) {
      if (this.#memory <= this.#memoryMax) break;
      this.#forget(oldest);
    }
  }

  #forget(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#memory -= memoryOf(entry);
  }
}

function nameOf(bytes: Buffer): string {
  return `${bytes.length} ${bytes.toString('latin1', 0, headBytes)}`;
}

/** A view keeps all of its buffer. */
function memoryOf({ bytes }: Entry): number {
  return bytes.length * memoryFactor + bytes.buffer.byteLength;
}
