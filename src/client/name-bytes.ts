import { type ByteString, bytesOfText } from '../stdx/index.ts';
import { HaleError } from './hale-error.ts';

/** Throws `invalid_argument` for what names nothing. */
export function nameBytes(what: string, name: string): ByteString {
  if (typeof name !== 'string' || name.length === 0) {
    throw new HaleError('invalid_argument', `a ${what} is a text of at least one character`);
  }
  return bytesOfText(name);
}
