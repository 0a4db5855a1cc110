/**
 * Erlang's External Term Format, as far as jobs and results of MapReduce use it (`application/x-erlang-binary`).
 *
 * A binary is a `ByteString`, so that strings of JSON and binaries of Erlang are one thing; `true`, `false` and
 * `null` are the atoms of these names. What only a running Erlang node understands (functions, processes,
 * references), and compressed terms, are refused. Decoding is bounded in depth and in the number of terms, since
 * a few bytes can claim four thousand million elements.
 *
 * Source: "External Term Format" in the ERTS manual.
 */
import { Buffer } from 'node:buffer';
import { type ByteString, byteStringOf, bytesOfText, textOfBytes } from '../stdx/index.ts';
import { DecodeError } from './decode-error.ts';

export type Term =
  | number
  | bigint
  | boolean
  | null
  | ByteString
  | Atom
  | Tuple
  | readonly Term[]
  | ReadonlyMap<ByteString, Term>;

export class Atom {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export class Tuple {
  readonly elements: readonly Term[];
  constructor(elements: readonly Term[]) {
    this.elements = elements;
  }
}

export const termDepthMax = 64;
/** Characters of an atom, as in Erlang. */
const atomLengthMax = 255;
/** Terms in one job: a key with its bucket is three. */
export const termCountMax = 2_000_000;

const version = 131;
const tag = {
  newFloat: 70,
  compressed: 80,
  smallInteger: 97,
  integer: 98,
  float: 99,
  atom: 100,
  smallTuple: 104,
  largeTuple: 105,
  nil: 106,
  string: 107,
  list: 108,
  binary: 109,
  smallBig: 110,
  largeBig: 111,
  smallAtom: 115,
  map: 116,
  atomUtf8: 118,
  smallAtomUtf8: 119,
} as const;

/** A map counts as so many terms: it takes as much memory as they. */
const mapTerms = 8;

/** Digits of a number that is longer than 64 bits: more than any client means. */
const bigBytesMax = 128;
const floatTextBytes = 31;

/** Throws `DecodeError`. Nothing may follow the term. */
export function decodeTerm(bytes: Uint8Array): Term {
  const reader = new TermReader(bytes);
  if (reader.byte() !== version) throw new DecodeError('not an external term: it must begin with 131');
  const term = reader.term(0);
  if (!reader.atEnd) throw new DecodeError('bytes after the term');
  return term;
}

class TermReader {
  readonly #bytes: Buffer;
  #at = 0;
  #count = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.#take(1)]!;
  }

  term(depth: number): Term {
    if (depth > termDepthMax) throw new DecodeError('terms nested too deep');
    this.#count += 1;
    if (this.#count > termCountMax) throw new DecodeError('too many terms');
    const kind = this.byte();
    switch (kind) {
      case tag.smallInteger:
        return this.byte();
      case tag.integer:
        return this.#bytes.readInt32BE(this.#take(4));
      case tag.newFloat:
        return this.#finite(this.#bytes.readDoubleBE(this.#take(8)));
      case tag.float:
        return this.#finite(Number.parseFloat(this.#latin1(floatTextBytes)));
      case tag.smallBig:
        return this.#big(this.byte());
      case tag.largeBig:
        return this.#big(this.#uint32());
      case tag.binary:
        return this.#bytesOf(this.#uint32());
      case tag.nil:
        return [];
      case tag.string:
        return this.#smallNumbers(this.#uint16());
      case tag.list:
        return this.#list(depth);
      case tag.smallTuple:
        return this.#tuple(this.byte(), depth);
      case tag.largeTuple:
        return this.#tuple(this.#uint32(), depth);
      case tag.map:
        return this.#map(depth);
      default:
        return this.#atom(kind);
    }
  }

  #atom(kind: number): Term {
    const name = this.#atomName(kind);
    if (name.length > atomLengthMax) throw new DecodeError('an atom is too long');
    return atomOf(name);
  }

  #atomName(kind: number): string {
    switch (kind) {
      case tag.atom:
        return this.#latin1(this.#uint16());
      case tag.smallAtom:
        return this.#latin1(this.byte());
      case tag.atomUtf8:
        return textOfBytes(this.#bytesOf(this.#uint16()));
      case tag.smallAtomUtf8:
        return textOfBytes(this.#bytesOf(this.byte()));
      case tag.compressed:
        throw new DecodeError('compressed terms are not understood');
      default:
        throw new DecodeError(`terms of kind ${kind} are not understood`);
    }
  }

  /** `{struct, Members}` is how JSON objects are written as terms. */
  #tuple(count: number, depth: number): Term {
    this.#expect(count);
    const elements: Term[] = [];
    for (let i = 0; i < count; i += 1) elements.push(this.term(depth + 1));
    const [name, members] = elements;
    const isStruct = count === 2 && name instanceof Atom && name.name === 'struct';
    const object = isStruct ? objectOf(members!) : undefined;
    return object ?? new Tuple(elements);
  }

  #list(depth: number): Term {
    const count = this.#uint32();
    this.#expect(count);
    const elements: Term[] = [];
    for (let i = 0; i < count; i += 1) elements.push(this.term(depth + 1));
    const tail = this.term(depth + 1);
    if (!Array.isArray(tail) || tail.length > 0) throw new DecodeError('improper lists are not understood');
    return elements;
  }

  #map(depth: number): Term {
    const count = this.#uint32();
    this.#count += mapTerms;
    this.#expect(2 * count);
    const members = new Map<ByteString, Term>();
    for (let i = 0; i < count; i += 1) {
      const key = memberName(this.term(depth + 1));
      if (key === undefined) throw new DecodeError('a map whose keys are not names');
      members.set(key, this.term(depth + 1));
    }
    return members;
  }

  /** A list of small integers in short form. */
  #smallNumbers(length: number): number[] {
    this.#count += length;
    const start = this.#take(length);
    return [...this.#bytes.subarray(start, start + length)];
  }

  #big(length: number): number | bigint {
    const isNegative = this.byte() !== 0;
    if (length > bigBytesMax) throw new DecodeError('a number too large');
    const start = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i -= 1) value = value * 256n + BigInt(this.#bytes[start + i]!);
    if (isNegative) value = -value;
    const narrow = Number(value);
    return Number.isSafeInteger(narrow) ? narrow : value;
  }

  #finite(value: number): number {
    if (!Number.isFinite(value)) throw new DecodeError('a float that is no number');
    return value;
  }

  #latin1(length: number): string {
    return this.#bytesOf(length);
  }

  #bytesOf(length: number): ByteString {
    const start = this.#take(length);
    return byteStringOf(this.#bytes, start, start + length);
  }

  #uint16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  #uint32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  /** Each element takes a byte at least: a count beyond that is refused before anything is made. */
  #expect(count: number): void {
    if (count > this.#bytes.length - this.#at) throw new DecodeError('the term ends too early');
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw new DecodeError('the term ends too early');
    this.#at = start + length;
    return start;
  }
}

function atomOf(name: string): Term {
  if (name === 'true') return true;
  if (name === 'false') return false;
  return name === 'null' ? null : new Atom(name);
}

function objectOf(members: Term): ReadonlyMap<ByteString, Term> | undefined {
  if (!Array.isArray(members)) return undefined;
  const object = new Map<ByteString, Term>();
  for (const member of members as readonly Term[]) {
    if (!(member instanceof Tuple) || member.elements.length !== 2) return undefined;
    const name = memberName(member.elements[0]!);
    if (name === undefined) return undefined;
    object.set(name, member.elements[1]!);
  }
  return object;
}

function memberName(term: Term): ByteString | undefined {
  if (typeof term === 'string') return term;
  return term instanceof Atom ? bytesOfText(term.name) : undefined;
}

/** Throws `DecodeError` if the term is nested deeper than could be read back. */
export function encodeTerm(term: Term): Buffer {
  const writer = new TermWriter();
  writer.byte(version);
  writer.term(term, 0);
  return writer.take();
}

class TermWriter {
  #bytes: Buffer = Buffer.allocUnsafe(256);
  #length = 0;

  take(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  byte(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  term(term: Term, depth: number): void {
    if (depth > termDepthMax) throw new DecodeError('terms nested too deep');
    if (typeof term === 'number') this.#number(term);
    else if (typeof term === 'bigint') this.#big(term);
    else if (typeof term === 'string') this.#binary(term);
    else if (term === null || typeof term === 'boolean') this.#atom(String(term));
    else if (term instanceof Atom) this.#atom(term.name);
    else if (term instanceof Tuple) this.#tuple(term.elements, depth);
    else if (term instanceof Map) this.#object(term as ReadonlyMap<ByteString, Term>, depth);
    else this.#list(term as readonly Term[], depth);
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.byte(tag.newFloat);
      const at = this.#reserve(8);
      this.#bytes.writeDoubleBE(value, at);
    } else if (value >= 0 && value <= 0xff) {
      this.byte(tag.smallInteger);
      this.byte(value);
    } else if (value === (value | 0)) {
      this.byte(tag.integer);
      const at = this.#reserve(4);
      this.#bytes.writeInt32BE(value, at);
    } else this.#big(BigInt(value));
  }

  #big(value: bigint): void {
    const digits: number[] = [];
    for (let rest = value < 0n ? -value : value; rest > 0n; rest >>= 8n) digits.push(Number(rest & 0xffn));
    if (digits.length > bigBytesMax) throw new DecodeError('a number too large');
    this.byte(tag.smallBig);
    this.byte(digits.length);
    this.byte(value < 0n ? 1 : 0);
    for (const digit of digits) this.byte(digit);
  }

  #binary(bytes: ByteString): void {
    this.#head(tag.binary, bytes.length);
    const at = this.#reserve(bytes.length);
    this.#bytes.write(bytes, at, 'latin1');
  }

  /** In the form that every Erlang since R14 reads where it can be used. */
  #atom(name: string): void {
    const bytes = Buffer.from(name, 'utf8');
    const isLatin1 = bytes.length === name.length;
    this.byte(isLatin1 ? tag.atom : tag.atomUtf8);
    const at = this.#reserve(2 + bytes.length);
    this.#bytes.writeUInt16BE(bytes.length, at);
    bytes.copy(this.#bytes, at + 2);
  }

  #tuple(elements: readonly Term[], depth: number): void {
    if (elements.length <= 0xff) {
      this.byte(tag.smallTuple);
      this.byte(elements.length);
    } else this.#head(tag.largeTuple, elements.length);
    for (const element of elements) this.term(element, depth + 1);
  }

  #list(elements: readonly Term[], depth: number): void {
    if (elements.length > 0) {
      this.#head(tag.list, elements.length);
      for (const element of elements) this.term(element, depth + 1);
    }
    this.byte(tag.nil);
  }

  #object(members: ReadonlyMap<ByteString, Term>, depth: number): void {
    const pairs = [...members].map((member) => new Tuple(member));
    this.#tuple([new Atom('struct'), pairs], depth);
  }

  #head(kind: number, length: number): void {
    this.byte(kind);
    const at = this.#reserve(4);
    this.#bytes.writeUInt32BE(length, at);
  }

  #reserve(count: number): number {
    const start = this.#length;
    const end = start + count;
    if (end > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, start);
      this.#bytes = grown;
    }
    this.#length = end;
    return start;
  }
}
