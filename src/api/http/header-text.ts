/**
 * What other APIs stored may hold bytes that no HTTP header can carry: a line break would let an object
 * forge headers or whole responses. Such bytes leave percent-encoded; all others, as they are.
 */
import { percentTriplet } from './percent-encoding.ts';

const tab = 0x09;
const space = 0x20;
const del = 0x7f;

/** A header value: control characters other than tab become `%XX`. */
export function headerValue(text: string): string {
  for (let at = 0; at < text.length; at += 1) {
    if (isControl(text.charCodeAt(at))) return encodeWhere(text, isControl);
  }
  return text;
}

/** A header name: what is not a token character (RFC 9110 §5.6.2) becomes `%XX`. */
export function headerName(text: string): string {
  for (let at = 0; at < text.length; at += 1) {
    if (!isTokenCharacter(text.charCodeAt(at))) {
      return encodeWhere(text, (code) => !isTokenCharacter(code));
    }
  }
  return text;
}

function encodeWhere(text: string, mustEncode: (code: number) => boolean): string {
  let encoded = '';
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    encoded += mustEncode(code) ? percentTriplet(code) : text[at]!;
  }
  return encoded;
}

function isControl(code: number): boolean {
  return (code < space && code !== tab) || code === del;
}

function isTokenCharacter(code: number): boolean {
  if (code <= space || code >= del) return false;
  return !'"(),/:;<=>?@[\\]{}'.includes(String.fromCharCode(code));
}
