/** Uncompresses Snappy's raw format (google/snappy, format_description.txt). For small blocks that are trusted. */
import { Buffer } from 'node:buffer';
import { assert } from '../../stdx/index.ts';

/** A literal's length up to this is in its tag; beyond, in the 1 to 4 bytes that follow. */
const SHORT_LITERAL_MAX = 60;

/** The bytes' checksum must have been verified. */
export function uncompressSnappy(bytes: Buffer): Buffer {
  let at = 0;
  let length = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at]!;
    at += 1;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  const output = Buffer.alloc(length);
  let written = 0;
  while (at < bytes.length) {
    const tag = bytes[at]!;
    at += 1;
    if ((tag & 3) === 0) {
      let literal = (tag >>> 2) + 1;
      if (literal > SHORT_LITERAL_MAX) {
        const lengthBytes = literal - SHORT_LITERAL_MAX;
        literal = bytes.readUIntLE(at, lengthBytes) + 1;
        at += lengthBytes;
      }
      bytes.copy(output, written, at, at + literal);
      at += literal;
      written += literal;
      continue;
    }
    const copy = copyOf(bytes, at, tag);
    at = copy.next;
    assert(copy.distance > 0 && copy.distance <= written, 'a copy is of what was written');
    // Byte by byte: a copy may overlap what it writes.
    for (let i = 0; i < copy.length; i += 1) {
      output[written] = output[written - copy.distance]!;
      written += 1;
    }
  }
  assert(written === length, 'the block has its length');
  return output;
}

function copyOf(bytes: Buffer, at: number, tag: number): { length: number; distance: number; next: number } {
  switch (tag & 3) {
    case 1:
      return { length: ((tag >>> 2) & 7) + 4, distance: ((tag >>> 5) << 8) | bytes[at]!, next: at + 1 };
    case 2:
      return { length: (tag >>> 2) + 1, distance: bytes.readUInt16LE(at), next: at + 2 };
    default:
      return { length: (tag >>> 2) + 1, distance: bytes.readUInt32LE(at), next: at + 4 };
  }
}
