/** What sets and registers hold: bytes to the database, values of one type to the application. */
import { type ByteString, bufferOf, byteStringOf, bytesOfText, textOfBytes } from '../../stdx/index.ts';
import { HaleError } from '../hale-error.ts';
import { jsonCodec } from '../value-codec.ts';

declare const elementValue: unique symbol;

/**
 * How values of type `T` become bytes and back. Two values are the same element if they have the same bytes.
 * `encode` throws `invalid_value`, `decode` throws `undecodable`.
 */
export interface Element<T> {
  /** Carries the type alone. */
  readonly [elementValue]?: T;
  encode(value: T): ByteString;
  decode(bytes: ByteString): T;
}

/** UTF-8. */
export const text: Element<string> = {
  encode(value) {
    if (typeof value !== 'string') throw refused(value, 'text');
    return bytesOfText(value);
  },
  decode: textOfBytes,
};

/** Decimal digits, as other programs write them. */
export const integer: Element<number> = {
  encode(value) {
    if (!Number.isSafeInteger(value)) throw refused(value, 'an integer that a number can hold');
    return bytesOfText(String(value));
  },
  decode(bytes) {
    const value = /^-?\d+$/.test(bytes) ? Number(bytes) : Number.NaN;
    if (!Number.isSafeInteger(value)) throw new HaleError('undecodable', 'a stored element is no integer');
    return value;
  },
};

export const bytes: Element<Uint8Array> = {
  encode(value) {
    if (!(value instanceof Uint8Array)) throw refused(value, 'bytes');
    return byteStringOf(value);
  },
  decode: bufferOf,
};

/**
 * JSON that is trusted to be of type `T`. Two objects are the same element if their members stand in the same
 * order: `JSON.stringify` makes the bytes.
 */
export function json<T>(): Element<T> {
  return {
    encode: (value) => byteStringOf(jsonCodec.encode(value)),
    decode: (stored) => jsonCodec.decode(bufferOf(stored)) as T,
  };
}

function refused(value: unknown, wanted: string): HaleError {
  return new HaleError('invalid_value', `an element is ${wanted}, not ${typeof value}`);
}
