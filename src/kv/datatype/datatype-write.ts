/**
 * An update of a data type on its way to the vnode that carries it out, and the bytes in which it goes to another node:
 *
 *   stamp · varint length of the context · context of the client, if it brought one · operation
 *   stamp: 1 byte place of the type in `crdtTypes` · 1 byte precision · varint microseconds · 1 byte length of vtag · vtag
 */
import { Buffer } from 'node:buffer';
import {
  type CausalContext,
  type CrdtOperation,
  decodeContext,
  decodeOperation,
  encodeContext,
  encodeOperation,
  precisionMax,
  precisionMin,
} from '../../crdt/index.ts';
import {
  assert,
  type ByteString,
  byteStringOf,
  readVarint,
  varintSize,
  writeVarint,
} from '../../stdx/index.ts';
import type { Datatype } from './datatype-object.ts';

export interface DatatypeStamp {
  readonly datatype: Datatype;
  /** Of the node that took the update, as of a put: the content's vtag, and microseconds since the Unix epoch. */
  readonly vtag: ByteString;
  readonly micros: number;
}

export interface DatatypeWrite extends DatatypeStamp {
  /** One that `checkOperation` lets pass. */
  readonly operation: CrdtOperation;
  /** What the client had read, for removals. */
  readonly context: CausalContext | undefined;
}

/** What a content holds: its seconds have 32 bits. */
const microsMax = 2 ** 32 * 1_000_000 - 1;

/** Their places stand on the wire. */
const crdtTypes = ['counter', 'set', 'map', 'hll', 'gset'] as const;

export function encodeDatatypeWrite(write: DatatypeWrite): Buffer {
  const context = write.context === undefined ? noBytes : encodeContext(write.context);
  const operation = encodeOperation(write.operation);
  const head = stampBytes(write);
  const bytes = Buffer.allocUnsafe(head + varintSize(context.length) + context.length + operation.length);
  const at = writeVarint(bytes, writeStamp(bytes, 0, write), context.length);
  operation.copy(bytes, at + context.copy(bytes, at));
  return bytes;
}

/** Undefined unless the bytes are what `encodeDatatypeWrite` writes. They may change afterwards. */
export function decodeDatatypeWrite(bytes: Buffer): DatatypeWrite | undefined {
  const stamp = readStamp(bytes, 0);
  if (stamp === undefined) return undefined;
  const contextLength = readVarint(bytes, stamp.end, bytes.length);
  if (contextLength < 0) return undefined;
  const contextAt = stamp.end + varintSize(contextLength);
  const operationAt = contextAt + contextLength;
  if (operationAt > bytes.length) return undefined;
  const context = contextLength === 0 ? undefined : decodeContext(bytes.subarray(contextAt, operationAt));
  const operation = decodeOperation(bytes.subarray(operationAt));
  if (operation === undefined || (context === undefined && contextLength > 0)) return undefined;
  return { ...stamp.stamp, context, operation };
}

export function stampBytes({ micros, vtag }: DatatypeStamp): number {
  return 2 + varintSize(micros) + 1 + vtag.length;
}

/** Returns the offset after what it wrote. */
export function writeStamp(into: Buffer, at: number, { datatype, micros, vtag }: DatatypeStamp): number {
  assert(vtag.length <= 255, 'a vtag is short');
  into[at] = crdtTypes.indexOf(datatype.type);
  into[at + 1] = datatype.precision;
  const vtagAt = writeVarint(into, at + 2, micros);
  into[vtagAt] = vtag.length;
  return vtagAt + 1 + into.write(vtag, vtagAt + 1, 'latin1');
}

/** Undefined: not a stamp. `end` is the offset after it. */
export function readStamp(
  bytes: Buffer,
  start: number,
): { readonly stamp: DatatypeStamp; readonly end: number } | undefined {
  const type = crdtTypes[bytes[start] ?? crdtTypes.length];
  const precision = bytes[start + 1] ?? 0;
  const micros = readVarint(bytes, start + 2, bytes.length);
  if (type === undefined || precision < precisionMin || precision > precisionMax) return undefined;
  if (micros < 0 || micros > microsMax) return undefined;
  const vtagAt = start + 2 + varintSize(micros) + 1;
  const end = vtagAt + (bytes[vtagAt - 1] ?? 0);
  if (vtagAt > bytes.length || end > bytes.length) return undefined;
  const vtag = byteStringOf(bytes, vtagAt, end);
  return { stamp: { datatype: { type, precision }, micros, vtag }, end };
}

const noBytes = Buffer.alloc(0);
