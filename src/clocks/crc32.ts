/**
 * CRC-32 (IEEE 802.3) of part of a byte array. For the few dozen bytes of a context the call into
 * `node:zlib`, and the view that it needs, cost several times this loop.
 */
const table: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  }
  return remainder;
});

/** Unsigned. Of bytes `start` to `end`. */
export function crc32(bytes: Uint8Array, start: number, end: number): number {
  let remainder = -1;
  for (let at = start; at < end; at += 1) {
    remainder = table[(remainder ^ bytes[at]!) & 0xff]! ^ (remainder >>> 8);
  }
  return ~remainder >>> 0;
}
