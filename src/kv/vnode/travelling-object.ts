/** A stored form at the end of a message between nodes: a long one is neither copied on its way out nor on its way in. */
import { Buffer } from 'node:buffer';
import { VersionedObject } from '../object/index.ts';

/** Up to here a copy costs less than to send the bytes apart from their message. */
const copiedBytesMax = 16 * 1024;

/** Of an object that is not copied into its message. */
export function tailOf({ bytes }: VersionedObject): Buffer | undefined {
  return bytes.length > copiedBytesMax ? bytes : undefined;
}

/** Leaves out what `tailOf` gives. */
export function writeObject({ bytes }: VersionedObject, into: Buffer, at: number): void {
  if (bytes.length <= copiedBytesMax) bytes.copy(into, at);
}

/** `mayKeep`: the body never changes; else it is valid only during the call. Undefined: it is none. */
export function readObject(body: Buffer, start: number, mayKeep: boolean): VersionedObject | undefined {
  const bytes = body.subarray(start);
  return VersionedObject.tryDecode(mayKeep ? bytes : Buffer.from(bytes));
}
