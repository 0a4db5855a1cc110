/** Guards against web pages that make a visitor's browser send requests here. */
import type { RequestHeaders } from './request-headers.ts';

type Origins = Pick<RequestHeaders, 'host' | 'origin' | 'referer'>;

/** A browser followed a page of another site here. */
export function isForeignReferer({ referer, host }: Origins): boolean {
  return referer !== undefined && authorityOf(referer) !== host?.toLowerCase();
}

/** A script of another site's page sent this. */
export function isForeignOrigin({ origin, host }: Origins): boolean {
  return origin !== undefined && authorityOf(origin) !== host?.toLowerCase();
}

export function isLoopback(address: string): boolean {
  const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
  return plain === '::1' || plain.startsWith('127.');
}

/** `host:port` of a URL; undefined if there is none. */
function authorityOf(url: string): string | undefined {
  const start = url.indexOf('://');
  if (start < 0) return undefined;
  const slash = url.indexOf('/', start + 3);
  return url.slice(start + 3, slash < 0 ? url.length : slash).toLowerCase();
}
