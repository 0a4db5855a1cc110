/** How long an object is to live: `X-Riak-TTL` in, and `X-Riak-Expires` out. Headers of our own. */
import { ttlSecondsMax } from '../../kv/index.ts';
import type { Content } from '../../wire/index.ts';
import { formatHttpDate } from './http-date.ts';

const microsPerSecond = 1_000_000;

export class TtlError extends Error {
  override readonly name = 'TtlError';
}

/** Seconds; 0: for ever, whatever the bucket says. Throws `TtlError`, whose message is the body of the 400. */
export function parseTtl(header: string): number {
  const seconds = /^\d{1,10}$/.test(header) ? Number(header) : Number.NaN;
  if (seconds <= ttlSecondsMax) return seconds;
  throw new TtlError(`X-Riak-TTL must be a number of seconds, at most ${ttlSecondsMax}\n`);
}

/** In whole seconds, and never after the end. */
export function pushExpiry(headers: string[], { expiresAtMicros }: Content): void {
  if (expiresAtMicros === undefined) return;
  headers.push('X-Riak-Expires', formatHttpDate(Math.floor(expiresAtMicros / microsPerSecond)));
}
