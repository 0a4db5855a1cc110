/**
 * Secondary index entries as they are stored: names in lower case with a known type, integers in one
 * decimal form. Checked on every write, whichever API it came by.
 */
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import {
  contentEntriesMax,
  decodeContent,
  encodeContent,
  indexesOfContent,
  type Pair,
} from '../wire/index.ts';

export type IndexProblem =
  /** The name does not end in `_bin` or `_int`, or is one that cannot be set. */
  | { readonly reason: 'unknown_type'; readonly field: ByteString }
  | { readonly reason: 'not_integer'; readonly field: ByteString; readonly term: ByteString }
  /** The name or the term is longer than may be. */
  | { readonly reason: 'too_long'; readonly field: ByteString; readonly bytesMax: number }
  /** An object has more entries than may be. */
  | { readonly reason: 'too_many'; readonly field: ByteString; readonly entriesMax: number };

/** Digits of an integer term. More would make sorting and comparing them a way to keep a node busy. */
export const indexDigitsMax = 1000;
/** Bytes of an index's name, and of a binary term. */
export const indexFieldBytesMax = 1024;
export const indexTermBytesMax = 64 * 1024;
/** Entries of one written value. Each is a key of the storage engine, at each replica. */
export const indexEntriesMax = contentEntriesMax;

export function canonicalIndexEntry(name: ByteString, term: ByteString): Pair | IndexProblem {
  const field = byteLiteral(name.toLowerCase());
  const isInteger = field.endsWith('_int');
  if ((!isInteger && !field.endsWith('_bin')) || field.startsWith('$'))
    return { reason: 'unknown_type', field };
  if (field.length > indexFieldBytesMax) {
    return { reason: 'too_long', field: byteLiteral(field.slice(0, 64)), bytesMax: indexFieldBytesMax };
  }
  if (term.length > indexTermBytesMax) return { reason: 'too_long', field, bytesMax: indexTermBytesMax };
  if (!isInteger) return { key: field, value: term };
  const value = canonicalInteger(term);
  return value === undefined ? { reason: 'not_integer', field, term } : { key: field, value };
}

/** The content with canonical entries: itself, in the usual case that it has none. */
export function withCanonicalIndexes(content: Buffer): Buffer | IndexProblem {
  const indexes = indexesOfContent(content);
  if (indexes.length === 0) return content;
  if (indexes.length > indexEntriesMax) {
    return { reason: 'too_many', field: indexes[0]!.key, entriesMax: indexEntriesMax };
  }
  const canonical: Pair[] = [];
  for (const { key, value } of indexes) {
    const entry = canonicalIndexEntry(key, value);
    if ('reason' in entry) return entry;
    canonical.push(entry);
  }
  return encodeContent({ ...decodeContent(content), indexes: canonical });
}

/** `+07` is 7: one integer has one form. Undefined if it is none. */
function canonicalInteger(text: string): ByteString | undefined {
  const trimmed = text.trim();
  const isSigned = trimmed.startsWith('-') || trimmed.startsWith('+');
  let at = isSigned ? 1 : 0;
  if (at === trimmed.length || trimmed.length - at > indexDigitsMax) return undefined;
  for (let digit = at; digit < trimmed.length; digit += 1) {
    const code = trimmed.charCodeAt(digit);
    if (code < 0x30 || code > 0x39) return undefined;
  }
  while (at < trimmed.length - 1 && trimmed[at] === '0') at += 1;
  const digits = trimmed.slice(at);
  return byteLiteral(trimmed.startsWith('-') && digits !== '0' ? `-${digits}` : digits);
}
