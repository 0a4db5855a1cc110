/**
 * Names in URLs and Link headers: any bytes, percent-encoded. Decoding is lenient as in Riak: `+` is a
 * space (old clients encode names like form fields), and a `%` without two hex digits stands for itself.
 */
import type { ByteString } from '../../stdx/index.ts';

const percent = 0x25;
const plus = 0x2b;

/** `text` has one character (0..255) a byte, and so has the result. */
export function percentDecode(text: string): ByteString {
  let from = firstEncoded(text);
  if (from === text.length) return text as ByteString;
  let decoded = '';
  let plainStart = 0;
  while (from < text.length) {
    const code = text.charCodeAt(from);
    if (code === plus) {
      decoded += `${text.slice(plainStart, from)} `;
      plainStart = from + 1;
    } else if (code === percent) {
      const high = hexValue(text.charCodeAt(from + 1));
      const low = hexValue(text.charCodeAt(from + 2));
      if (high >= 0 && low >= 0) {
        decoded += text.slice(plainStart, from) + String.fromCharCode(high * 16 + low);
        from += 2;
        plainStart = from + 1;
      }
    }
    from += 1;
  }
  return (decoded + text.slice(plainStart)) as ByteString;
}

/** Everything but RFC 3986's unreserved characters is encoded; a space is `%20`. */
export function percentEncode(bytes: ByteString): string {
  let encoded = '';
  let plainStart = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const code = bytes.charCodeAt(at);
    if (isUnreserved(code)) continue;
    encoded += bytes.slice(plainStart, at) + percentTriplet(code);
    plainStart = at + 1;
  }
  return plainStart === 0 ? bytes : encoded + bytes.slice(plainStart);
}

export function percentTriplet(code: number): string {
  return `%${code < 16 ? '0' : ''}${code.toString(16).toUpperCase()}`;
}

function firstEncoded(text: string): number {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === percent || code === plus) return at;
  }
  return text.length;
}

/** -1 if it is no hexadecimal digit (`NaN`, beyond the end, included). */
function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function isUnreserved(code: number): boolean {
  if (code >= 0x30 && code <= 0x39) return true;
  const letter = code | 0x20;
  if (letter >= 0x61 && letter <= 0x7a) return code < 0x80;
  return code === 0x2d || code === 0x2e || code === 0x5f || code === 0x7e;
}
