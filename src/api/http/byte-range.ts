/** `Range: bytes=…` of one range (RFC 9110 §14.1.2). */
export interface ByteRange {
  readonly from: number;
  /** Not included. */
  readonly to: number;
}

const pattern = /^bytes=(\d{0,15})-(\d{0,15})$/;

/**
 * Undefined: the whole is to be sent, since the header asks for something else than one range of bytes, which a server may
 * overlook.
 */
export function byteRangeOf(header: string, length: number): ByteRange | 'unsatisfiable' | undefined {
  const found = pattern.exec(header.trim());
  if (found === null) return undefined;
  const [, first = '', last = ''] = found;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const count = Math.min(Number(last), length);
    return count === 0 ? 'unsatisfiable' : { from: length - count, to: length };
  }
  if (last !== '' && Number(last) < Number(first)) return undefined;
  if (Number(first) >= length) return 'unsatisfiable';
  return { from: Number(first), to: last === '' ? length : Math.min(Number(last) + 1, length) };
}
