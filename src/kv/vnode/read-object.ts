import { Buffer } from 'node:buffer';
import { ObjectFormatError, VersionedObject } from '../object/index.ts';

/** The stored form at the end of a message's body, which is valid only during the call. Undefined: it is none. */
export function readObject(body: Buffer, start: number): VersionedObject | undefined {
  try {
    return VersionedObject.decode(Buffer.from(body.subarray(start)));
  } catch (error) {
    if (error instanceof ObjectFormatError) return undefined;
    throw error;
  }
}
