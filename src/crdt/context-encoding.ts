/**
 * The opaque context that clients of sets and maps carry from a read to a removal:
 *
 *   1 byte format · varint number of actors · per actor: 12 bytes, its ranges · 4 bytes CRC-32, big-endian
 *
 * The checksum is there because it comes back from strangers: a context that was cut or altered, or is an
 * object's clock, is refused. One of another key is not found out (as in Riak).
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { actorBytes } from '../clocks/index.ts';
import { CausalContext, type ContextEntry } from './causal-context.ts';
import { CrdtFormatError, CrdtReader } from './crdt-reader.ts';
import { CrdtWriter } from './crdt-writer.ts';

const format = 0x11;
const checksumBytes = 4;
/** Ranges taken from a client. States have a few for each vnode that wrote; a forged one must not cost more. */
export const contextRangesMax = 10_000;

/** Contexts with the same dots have the same bytes. */
export function encodeContext(context: CausalContext): Buffer {
  const writer = new CrdtWriter();
  writer.byte(format);
  writer.varint(context.entries.length);
  for (const { actor, ranges } of context.entries) {
    writer.raw(actor);
    writer.ranges(ranges);
  }
  const bytes = writer.finish();
  const checksum = Buffer.allocUnsafe(checksumBytes);
  checksum.writeUInt32BE(crc32(bytes));
  return Buffer.concat([bytes, checksum]);
}

/** Undefined if the bytes are not such a context, or one beyond `contextRangesMax`. */
export function decodeContext(bytes: Uint8Array): CausalContext | undefined {
  const end = bytes.length - checksumBytes;
  if (end < 2 || bytes[0] !== format) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.readUInt32BE(end) !== crc32(view.subarray(0, end))) return undefined;
  try {
    return readContext(new CrdtReader(view, 1, end));
  } catch (error) {
    if (error instanceof CrdtFormatError) return undefined;
    throw error;
  }
}

function readContext(reader: CrdtReader): CausalContext | undefined {
  const count = reader.count(actorBytes + 3);
  const entries: ContextEntry[] = [];
  let rangesCount = 0;
  for (let i = 0; i < count; i += 1) {
    const actor = reader.raw(actorBytes);
    const ranges = reader.ranges();
    rangesCount += ranges.length / 2;
    if (rangesCount > contextRangesMax) return undefined;
    if (i > 0 && entries[i - 1].actor >= actor) return undefined;
    entries.push({ actor, ranges });
  }
  reader.finish();
  return CausalContext.ofSorted(entries);
}
