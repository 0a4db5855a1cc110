import { NetworkError } from '../environment/index.ts';

const codes = new Map<string, NetworkError['code']>([
  ['EADDRINUSE', 'address-in-use'],
  ['EADDRNOTAVAIL', 'address-not-available'],
  // A port below 1024 without the right to it, and a host name that resolves to nothing.
  ['EACCES', 'address-not-available'],
  ['ENOTFOUND', 'address-not-available'],
  ['ECONNREFUSED', 'refused'],
  ['ETIMEDOUT', 'timeout'],
  ['EHOSTUNREACH', 'timeout'],
  ['ENETUNREACH', 'timeout'],
  ['ECONNRESET', 'reset'],
  ['ECONNABORTED', 'reset'],
  ['EPIPE', 'reset'],
]);

/** The one translation of Node's socket errors. */
export function networkErrorOf(error: unknown): NetworkError {
  if (error instanceof NetworkError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const message = error instanceof Error ? error.message : String(error);
  return new NetworkError(codes.get(code) ?? 'other', message);
}
