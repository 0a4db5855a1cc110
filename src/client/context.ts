/**
 * What a reader has seen of an object, as text that may be stored, sent to a browser and brought back.
 * Only the database can read it. Two contexts that are equal name the same version.
 */
import { Buffer } from 'node:buffer';
import { HaleError } from './hale-error.ts';

declare const context: unique symbol;
export type Context = string & { readonly [context]: true };

const base64url = /^[A-Za-z0-9_-]+$/;

export function contextOfBytes(bytes: Uint8Array): Context {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url') as Context;
}

export function bytesOfContext(text: Context): Buffer {
  return Buffer.from(text, 'base64url');
}

/** Takes back a context that left the program as text. Throws `invalid_argument` if it cannot be one. */
export function contextOf(text: string): Context {
  if (!base64url.test(text)) throw new HaleError('invalid_argument', 'this text is not a context');
  return text as Context;
}
