/**
 * CRC-32 (IEEE 802.3) of part of a byte array. For a few dozen bytes the call into `node:zlib`, and the view that it
 * needs, cost several times this loop; from some 200 bytes on it is the other way round.
 */
const table: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  }
  return remainder;
});

/** Unsigned. Of bytes `start` to `end`, which follow bytes whose checksum was `before`. */
export function crc32(bytes: Uint8Array, start: number, end: number, before = 0): number {
  let remainder = ~before;
  for (let at = start; at < end; at += 1) {
    remainder = table[(remainder ^ bytes[at]!) & 0xff]! ^ (remainder >>> 8);
  }
  return ~remainder >>> 0;
}
