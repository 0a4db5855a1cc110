import type { Buffer } from 'node:buffer';
import { decodeMessage, type FrameType } from '../../wire/index.ts';
import { HaleError } from '../hale-error.ts';

/** Throws if the reply is of another kind. */
export function decodeReply<T>(type: FrameType<T>, code: number, body: Buffer): T {
  if (code !== type.code) throw new HaleError('protocol', `a reply of code ${code} instead of ${type.code}`);
  return decodeMessage(type, body);
}
