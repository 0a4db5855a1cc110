import type { ByteString } from '../../stdx/index.ts';
import { percentDecode } from './percent-encoding.ts';
import { QueryParameters } from './query-parameters.ts';

/** More than any resource has; a longer path names nothing. */
export const segmentsMax = 64;

export interface RequestTarget {
  /** Decoded. Empty segments, also the one after a trailing slash, are left out, as in Riak. */
  readonly segments: readonly ByteString[];
  readonly query: QueryParameters;
}

/** Origin form, or the path of an absolute form. Undefined for `*`, authority form and too many segments. */
export function parseRequestTarget(target: string): RequestTarget | undefined {
  const path = pathStart(target);
  if (path === undefined) return undefined;
  const hash = target.indexOf('#', path);
  const end = hash < 0 ? target.length : hash;
  const mark = target.indexOf('?', path);
  const pathEnd = mark < 0 || mark > end ? end : mark;
  const segments: ByteString[] = [];
  let start = path;
  while (start < pathEnd) {
    const slash = target.indexOf('/', start);
    const segmentEnd = slash < 0 || slash > pathEnd ? pathEnd : slash;
    if (segmentEnd > start) {
      if (segments.length === segmentsMax) return undefined;
      segments.push(percentDecode(target.slice(start, segmentEnd)));
    }
    start = segmentEnd + 1;
  }
  return { segments, query: new QueryParameters(pathEnd === end ? '' : target.slice(pathEnd + 1, end)) };
}

function pathStart(target: string): number | undefined {
  if (target.startsWith('/')) return 0;
  const scheme = target.slice(0, 8).toLowerCase();
  if (!scheme.startsWith('http://') && scheme !== 'https://') return undefined;
  const slash = target.indexOf('/', scheme.startsWith('http://') ? 7 : 8);
  return slash < 0 ? target.length : slash;
}
