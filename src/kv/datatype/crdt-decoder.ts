/** From the bytes of a stored value to the data type in them. */
import type { Buffer } from 'node:buffer';
import { type Crdt, CrdtFormatError, decodeCrdt } from '../../crdt/index.ts';

export interface CrdtDecoder {
  /** Undefined: the bytes are no data type. They may be a view; what is kept of them is copied or stays valid. */
  decode(bytes: Buffer): Crdt | undefined;
  /** These bytes are going to be asked for soon: `crdt` is what is in them. They must not change. */
  remember(bytes: Buffer, crdt: Crdt): void;
}

export const plainDecoder: CrdtDecoder = { decode: decodedCrdt, remember() {} };

export function decodedCrdt(bytes: Buffer): Crdt | undefined {
  try {
    return decodeCrdt(bytes);
  } catch (error) {
    if (error instanceof CrdtFormatError) return undefined;
    throw error;
  }
}
