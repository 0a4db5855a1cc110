/**
 * Varints of base 128, least significant group first, as Protocol Buffers have them, for integers from
 * 0 to 2^53 - 1. Only the shortest form is read, so that equal numbers have equal bytes; that is also
 * why a reader needs no cursor: the next value starts `varintSize(value)` further on.
 */

/** Bytes of the varint that holds `value`. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  if (value < 0x8_0000_0000) return 5;
  if (value < 0x400_0000_0000) return 6;
  return value < 0x2_0000_0000_0000 ? 7 : 8;
}

/** Writes `value` at `offset`, where the room must be, and returns the offset after it. */
export function writeVarint(bytes: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest >= 0x1_0000_0000) {
    bytes[at] = (rest % 0x80) | 0x80;
    at += 1;
    rest = Math.floor(rest / 0x80);
  }
  while (rest >= 0x80) {
    bytes[at] = (rest & 0x7f) | 0x80;
    at += 1;
    rest >>>= 7;
  }
  bytes[at] = rest;
  return at + 1;
}

/** The varint at `offset`, or -1 if it does not end before `end`, is not the shortest, or exceeds 2^53 - 1. */
export function readVarint(bytes: Uint8Array, offset: number, end: number): number {
  if (offset >= end) return -1;
  const first = bytes[offset]!;
  if (first < 0x80) return first;
  let value = first & 0x7f;
  let weight = 0x80;
  for (let at = offset + 1; at < end && at < offset + 8; at += 1) {
    const byte = bytes[at]!;
    value += (byte & 0x7f) * weight;
    if (byte < 0x80) return byte === 0 || value > Number.MAX_SAFE_INTEGER ? -1 : value;
    weight *= 0x80;
  }
  return -1;
}
