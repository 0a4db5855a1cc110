/**
 * A byte string held as a JavaScript string, one character (0..255) per byte ("latin1").
 *
 * Names that a stranger chooses (bucket types, buckets, keys, header values) are arbitrary bytes.
 * As a `ByteString` they can key a `Map`, compare with `<` in byte order, outlive the socket buffer
 * they were read from, and cost one allocation; as a `Buffer` they can do none of these.
 */
import { Buffer } from 'node:buffer';

declare const byteString: unique symbol;
export type ByteString = string & { readonly [byteString]: true };

export function bytesOfText(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1') as ByteString;
}

/** The UTF-8 reading of the bytes; ill-formed sequences become U+FFFD. */
export function textOfBytes(bytes: ByteString): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

export function byteStringOf(bytes: Uint8Array, start = 0, end = bytes.length): ByteString {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString('latin1', start, end) as ByteString;
}

/** Up to here copying by hand is cheaper than a call. */
const shortBytes = 40;

/** Writes the bytes at `at`; returns the offset behind them. */
export function writeByteString(into: Buffer, at: number, bytes: ByteString): number {
  const { length } = bytes;
  if (length > shortBytes) return at + into.write(bytes, at, 'latin1');
  for (let i = 0; i < length; i += 1) into[at + i] = bytes.charCodeAt(i);
  return at + length;
}

export function bufferOf(bytes: ByteString): Buffer {
  return Buffer.from(bytes, 'latin1');
}

/** For a literal whose characters are all below U+0100, such as `byteLiteral('default')`. */
export function byteLiteral(text: string): ByteString {
  return text as ByteString;
}
