/** How the values of a bucket become bytes and back. */
import { Buffer } from 'node:buffer';
import { HaleError } from './hale-error.ts';

export interface ValueCodec<T> {
  readonly contentType: string;
  /** Throws `invalid_value` for what has no such form. */
  encode(value: T): Buffer;
  /** Throws `undecodable`. `bytes` may be kept. */
  decode(bytes: Buffer): T;
}

export const jsonCodec: ValueCodec<unknown> = {
  contentType: 'application/json',
  encode(value) {
    let text: string | undefined;
    try {
      text = JSON.stringify(value);
    } catch (cause) {
      throw new HaleError('invalid_value', 'the value has no JSON form', { cause });
    }
    // What JSON.stringify leaves out: undefined, functions and symbols.
    if (text === undefined) throw new HaleError('invalid_value', `${typeof value} has no JSON form`);
    return Buffer.from(text, 'utf8');
  },
  decode(bytes) {
    try {
      return JSON.parse(bytes.toString('utf8'));
    } catch (cause) {
      throw new HaleError('undecodable', 'the stored value is not JSON', { cause });
    }
  },
};

export const bytesCodec: ValueCodec<Uint8Array> = {
  contentType: 'application/octet-stream',
  encode: (value) => {
    if (!(value instanceof Uint8Array)) throw new HaleError('invalid_value', 'the value is not bytes');
    return Buffer.from(value);
  },
  decode: (bytes) => bytes,
};
