/**
 * What flows from phase to phase: a key to be read, a value, or the news that a key holds nothing. A value that
 * JavaScript made stays the JSON text that it was; it is parsed only if a phase looks into it.
 */
import { type ByteString, bytesOfText, textOfBytes } from '../../../stdx/index.ts';
import { Atom, type Term, Tuple } from '../../../wire/index.ts';
import type { ObjectAddress } from '../../key-value-store.ts';

export interface KeyItem {
  readonly kind: 'key';
  readonly address: ObjectAddress;
  readonly keyData: Term | undefined;
  /** It came from a listing or an index: by the time it is read it may be gone, and that is no mistake. */
  readonly isFound: boolean;
}

export interface MissingItem {
  readonly kind: 'not_found';
  readonly address: ObjectAddress;
  readonly keyData: Term | undefined;
}

export type Item =
  | KeyItem
  | MissingItem
  | { readonly kind: 'json'; readonly text: string }
  | { readonly kind: 'term'; readonly term: Term };

/** Values nested deeper are refused where they are looked into. */
export const valueDepthMax = 64;

/** A value that a phase cannot work with. */
export class ItemError extends Error {
  override readonly name = 'ItemError';
}

const defaultType = 'default';
/** What an item takes besides its text, roughly. */
const itemBytes = 64;
const listBytes = 32;
const mapBytes = 200;
const elementBytes = 24;
/** `{},` is three characters. */
const bytesOfCharacterMax = 100;
/** Bytes of a value that is made of one JSON text. */
const parsedBytesMax = 64 * 1024 * 1024;

export function jsonItem(text: string): Item {
  return { kind: 'json', text };
}

export function termItem(term: Term): Item {
  return { kind: 'term', term };
}

/** Bytes that the item takes in memory, roughly. */
export function sizeOf(item: Item): number {
  switch (item.kind) {
    case 'json':
      return itemBytes + item.text.length;
    case 'term':
      return itemBytes + sizeOfTerm(item.term);
    default:
      return itemBytes + sizeOfAddress(item.address) + sizeOfTerm(item.keyData ?? null);
  }
}

export function sizeOfAll(items: readonly Item[]): number {
  return items.reduce((sum, item) => sum + sizeOf(item), 0);
}

function sizeOfAddress({ bucket, key }: ObjectAddress): number {
  return bucket.length + key.length;
}

export function sizeOfTerm(term: Term): number {
  if (typeof term === 'string') return term.length + 16;
  if (typeof term !== 'object' || term === null) return 16;
  if (term instanceof Atom) return term.name.length + 16;
  if (term instanceof Map) {
    let size = mapBytes;
    for (const [name, value] of term as ReadonlyMap<ByteString, Term>)
      size += elementBytes + name.length + sizeOfTerm(value);
    return size;
  }
  return elementsOf(term).reduce<number>((size, element) => size + sizeOfTerm(element), listBytes);
}

function elementsOf(term: Term): readonly Term[] {
  return term instanceof Tuple ? term.elements : (term as readonly Term[]);
}

/** As results and JavaScript see it. */
export function jsonOf(item: Item): string {
  switch (item.kind) {
    case 'json':
      return item.text;
    case 'term':
      return jsonOfTerm(item.term);
    case 'key':
      return jsonOfKey(item);
    case 'not_found':
      return jsonOfMissing(item);
  }
}

/** `["b","k"]`, `["b","k",data]`, and of a typed bucket `["b","k",data,"type"]`. */
function jsonOfKey({ address, keyData }: KeyItem): string {
  const { bucketType, bucket, key } = address;
  const pair = `${jsonOfName(bucket)},${jsonOfName(key)}`;
  const data = keyData === undefined ? 'null' : jsonOfTerm(keyData);
  if (bucketType !== defaultType) return `[${pair},${data},${jsonOfName(bucketType)}]`;
  return keyData === undefined ? `[${pair}]` : `[${pair},${data}]`;
}

export function jsonOfMissing({ address, keyData }: Pick<MissingItem, 'address' | 'keyData'>): string {
  const { bucketType, bucket, key } = address;
  const type = bucketType === defaultType ? '' : `"bucket_type":${jsonOfName(bucketType)},`;
  const data = keyData === undefined ? '"undefined"' : jsonOfTerm(keyData);
  return `{"not_found":{${type}"bucket":${jsonOfName(bucket)},"key":${jsonOfName(key)},"keydata":${data}}}`;
}

export function jsonOfName(name: ByteString): string {
  return JSON.stringify(textOfBytes(name));
}

/** Bytes that are not UTF-8 show as U+FFFD. */
export function jsonOfTerm(term: Term): string {
  switch (typeof term) {
    case 'string':
      return jsonOfName(term);
    case 'number':
      // `1e999`, which JSON can say and not mean.
      return Number.isFinite(term) ? String(term) : 'null';
    case 'boolean':
    case 'bigint':
      return String(term);
    default:
      break;
  }
  if (term === null) return 'null';
  if (term instanceof Atom) return JSON.stringify(term.name);
  if (term instanceof Map) {
    const members = [...(term as ReadonlyMap<ByteString, Term>)];
    return `{${members.map(([name, value]) => `${jsonOfName(name)}:${jsonOfTerm(value)}`).join(',')}}`;
  }
  return `[${elementsOf(term).map(jsonOfTerm).join(',')}]`;
}

/** As results in the external term format, and the functions of `riak_kv_mapreduce`, see it. Throws `ItemError`. */
export function termOf(item: Item): Term {
  switch (item.kind) {
    case 'term':
      return item.term;
    case 'json':
      return parsedJson(item.text);
    case 'key': {
      const name = nameTuple(item.address);
      const isShort = item.keyData === undefined && item.address.bucketType === defaultType;
      return isShort ? name : new Tuple([name, item.keyData ?? new Atom('undefined')]);
    }
    case 'not_found':
      return new Tuple([
        new Atom('not_found'),
        nameTuple(item.address),
        item.keyData ?? new Atom('undefined'),
      ]);
  }
}

function nameTuple({ bucketType, bucket, key }: ObjectAddress): Term {
  return new Tuple([bucketType === defaultType ? bucket : new Tuple([bucketType, bucket]), key]);
}

/** Throws `ItemError`. */
export function parsedJson(text: string, bytesMax = parsedBytesMax): Term {
  const mayBeTooLarge = text.length > bytesMax / bytesOfCharacterMax;
  if (mayBeTooLarge && parsedBytes(text) > bytesMax) throw new ItemError('a value of too many parts');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ItemError(`not JSON: ${(error as Error).message}`, { cause: error });
  }
  return termOfJson(value);
}

/** What the value of a JSON text would take in memory, roughly. */
function parsedBytes(text: string): number {
  let bytes = text.length;
  let isInString = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case '"':
        isInString = !isInString;
        break;
      case '\\':
        at += 1;
        break;
      case '{':
        if (!isInString) bytes += mapBytes;
        break;
      case '[':
        if (!isInString) bytes += listBytes;
        break;
      case ',':
        if (!isInString) bytes += elementBytes;
        break;
      default:
        break;
    }
  }
  return bytes;
}

/** Of a value that `JSON.parse` made. Throws `ItemError` if it is nested too deep. */
export function termOfJson(value: unknown, depth = 0): Term {
  if (depth > valueDepthMax) throw new ItemError('a value nested too deep');
  if (typeof value === 'string') return bytesOfText(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (Array.isArray(value)) return value.map((element) => termOfJson(element, depth + 1));
  const members = new Map<ByteString, Term>();
  for (const [name, member] of Object.entries(value as object)) {
    members.set(bytesOfText(name), termOfJson(member, depth + 1));
  }
  return members;
}

/** What a map or link phase reads: a key, or a value that names one. Undefined: it names none. */
export function keyOf(item: Item): KeyItem | undefined {
  if (item.kind === 'key') return item;
  if (item.kind === 'not_found') {
    return { kind: 'key', address: item.address, keyData: item.keyData, isFound: false };
  }
  return keyOfTerm(termOf(item));
}

/** `{B,K}`, `{{B,K},Data}`, `{{{Type,B},K},Data}`, and as lists `[B,K]`, `[B,K,Data]`, `[B,K,Data,Type]`. */
export function keyOfTerm(term: Term): KeyItem | undefined {
  const parts = partsOf(term);
  if (parts === undefined || parts.length > 4) return undefined;
  const [first, second, third, fourth] = parts;
  const inner = parts.length === 2 ? partsOf(first!) : undefined;
  if (inner !== undefined) return inner.length === 2 ? keyItem(inner[0]!, inner[1]!, second) : undefined;
  if (parts.length < 4) return keyItem(first!, second!, third);
  const typed = typeof first === 'string' && typeof fourth === 'string';
  return typed ? keyItem(new Tuple([fourth, first]), second!, third) : undefined;
}

function keyItem(bucketTerm: Term, key: Term, data: Term | undefined): KeyItem | undefined {
  const bucket = bucketOf(bucketTerm);
  if (bucket === undefined || typeof key !== 'string') return undefined;
  const isUndefined = data instanceof Atom && data.name === 'undefined';
  const keyData = isUndefined ? undefined : data;
  return { kind: 'key', address: { ...bucket, key }, keyData, isFound: false };
}

/** `B` or `{Type,B}`. */
export function bucketOf(
  term: Term,
): { readonly bucketType: ByteString; readonly bucket: ByteString } | undefined {
  if (typeof term === 'string') return { bucketType: defaultType as ByteString, bucket: term };
  const parts = partsOf(term);
  const [bucketType, bucket] = parts ?? [];
  if (parts?.length !== 2 || typeof bucketType !== 'string' || typeof bucket !== 'string') return undefined;
  return { bucketType, bucket };
}

function partsOf(term: Term): readonly Term[] | undefined {
  const isList = term instanceof Tuple || Array.isArray(term);
  const parts = isList ? elementsOf(term) : undefined;
  return parts === undefined || parts.length < 2 ? undefined : parts;
}
