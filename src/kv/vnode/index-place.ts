/**
 * The place of an entry in its index: the term and the object's key as one byte string, so made that places in byte
 * order are entries in the order of queries: integers by value, other terms bytewise, and equal terms by key.
 *
 *   a binary term   its bytes with 00 as 00 ff, then 00 00
 *   an integer      sign (01 negative, 02 not) · number of digits (2) · digits;
 *                   of a negative one the number and the digits are complemented
 *
 * No encoded term is the beginning of another, so whatever follows, the order of terms comes first; and all entries of
 * one term are one range.
 */
import { type ByteString, byteLiteral } from '../../stdx/index.ts';

export interface IndexEntry {
  /** Of an integer index its decimal form, as stored with the object. */
  readonly term: ByteString;
  readonly key: ByteString;
}

const termEnd = '\0\0';
const escapedZero = '\0\u00ff';
const negative = '\u0001';
const notNegative = '\u0002';
const complement = 0xff;

export function isIntegerIndex(field: ByteString): boolean {
  return field.endsWith('_int');
}

/** What the places of all entries with this term begin with. An integer is in its canonical form. */
export function termPlace(field: ByteString, term: ByteString): ByteString {
  if (isIntegerIndex(field)) return integerPlace(term);
  return byteLiteral(`${term.includes('\0') ? term.replaceAll('\0', escapedZero) : term}${termEnd}`);
}

export function placeOf(field: ByteString, term: ByteString, key: ByteString): ByteString {
  return byteLiteral(`${termPlace(field, term)}${key}`);
}

/** Undefined: no place of this index. */
export function entryAt(field: ByteString, place: ByteString): IndexEntry | undefined {
  return isIntegerIndex(field) ? integerEntry(place) : binaryEntry(place);
}

function integerPlace(term: ByteString): ByteString {
  const isNegative = term.startsWith('-');
  const digits = isNegative ? term.slice(1) : term;
  const length = String.fromCharCode(digits.length >> 8, digits.length & 0xff);
  return byteLiteral(
    isNegative
      ? `${negative}${complemented(length)}${complemented(digits)}`
      : `${notNegative}${length}${digits}`,
  );
}

function integerEntry(place: ByteString): IndexEntry | undefined {
  const isNegative = place.startsWith(negative);
  if (place.length < 4 || !(isNegative || place.startsWith(notNegative))) return undefined;
  const size = isNegative ? complemented(place.slice(1, 3)) : place.slice(1, 3);
  const end = 3 + size.charCodeAt(0) * 256 + size.charCodeAt(1);
  if (end === 3 || end > place.length) return undefined;
  const digits = isNegative ? complemented(place.slice(3, end)) : place.slice(3, end);
  if (!/^\d+$/.test(digits)) return undefined;
  return { term: byteLiteral(isNegative ? `-${digits}` : digits), key: byteLiteral(place.slice(end)) };
}

function binaryEntry(place: ByteString): IndexEntry | undefined {
  let hasZeros = false;
  for (let at = place.indexOf('\0'); at >= 0; at = place.indexOf('\0', at + 2)) {
    const next = place[at + 1];
    if (next === '\0') {
      const term = place.slice(0, at);
      return {
        term: byteLiteral(hasZeros ? term.replaceAll(escapedZero, '\0') : term),
        key: byteLiteral(place.slice(at + 2)),
      };
    }
    if (next !== '\u00ff') return undefined;
    hasZeros = true;
  }
  return undefined;
}

function complemented(text: string): string {
  let result = '';
  for (let at = 0; at < text.length; at += 1) result += String.fromCharCode(complement - text.charCodeAt(at));
  return result;
}
