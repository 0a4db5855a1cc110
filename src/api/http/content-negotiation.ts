/**
 * Accept (RFC 9110 §12.5.1), as far as Riak's clients use it: media ranges with q. Other parameters of a
 * range are ignored.
 */

/** Ranges beyond this number are not looked at. */
const rangesMax = 32;

interface MediaRange {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
}

/**
 * The best of `offered` media types (lower case, without parameters): by quality, then by how exactly it
 * was asked for (so that a client's `*\/*, multipart/mixed` gets multipart), then in the order of `offered`.
 */
export function negotiate(accept: string | undefined, offered: readonly string[]): string | undefined {
  if (accept === undefined || accept === '*/*' || accept === '') return offered[0];
  const ranges = parseAccept(accept);
  let best: string | undefined;
  let bestQuality = 0;
  let bestExactness = 0;
  for (const mediaType of offered) {
    const match = matchOf(mediaType, ranges);
    if (match === undefined || match.quality === 0) continue;
    if (match.quality > bestQuality || (match.quality === bestQuality && match.exactness > bestExactness)) {
      best = mediaType;
      bestQuality = match.quality;
      bestExactness = match.exactness;
    }
  }
  return best;
}

/** Whether a representation of that type (parameters allowed) may be sent. */
export function isAcceptable(accept: string | undefined, contentType: string): boolean {
  if (accept === undefined || accept === '*/*' || accept === '') return true;
  return negotiate(accept, [mediaTypeOf(contentType)]) !== undefined;
}

/** `text/html` of `Text/HTML; charset=utf-8`. */
export function mediaTypeOf(contentType: string): string {
  const semicolon = contentType.indexOf(';');
  return (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
}

/** The most exact range that covers the type decides its quality. */
function matchOf(
  mediaType: string,
  ranges: readonly MediaRange[],
): { readonly quality: number; readonly exactness: number } | undefined {
  const slash = mediaType.indexOf('/');
  const type = mediaType.slice(0, slash < 0 ? mediaType.length : slash);
  const subtype = slash < 0 ? '' : mediaType.slice(slash + 1);
  let quality = -1;
  let exactness = -1;
  for (const range of ranges) {
    const exact = exactnessOf(range, type, subtype);
    if (exact > exactness) {
      exactness = exact;
      quality = range.quality;
    } else if (exact >= 0 && exact === exactness && range.quality > quality) {
      quality = range.quality;
    }
  }
  return exactness < 0 ? undefined : { quality, exactness };
}

function exactnessOf(range: MediaRange, type: string, subtype: string): number {
  if (range.type === '*') return 0;
  if (range.type !== type) return -1;
  if (range.subtype === '*') return 1;
  return range.subtype === subtype ? 2 : -1;
}

function parseAccept(accept: string): readonly MediaRange[] {
  const ranges: MediaRange[] = [];
  for (const part of accept.split(',', rangesMax)) {
    const pieces = part.split(';');
    const name = pieces[0]!.trim().toLowerCase();
    if (name === '') continue;
    const slash = name.indexOf('/');
    ranges.push({
      type: slash < 0 ? name : name.slice(0, slash),
      subtype: slash < 0 ? '*' : name.slice(slash + 1),
      quality: qualityOf(pieces),
    });
  }
  return ranges;
}

function qualityOf(pieces: readonly string[]): number {
  for (let at = 1; at < pieces.length; at += 1) {
    const piece = pieces[at]!.trim();
    if (!piece.startsWith('q=') && !piece.startsWith('Q=')) continue;
    const quality = Number(piece.slice(2));
    return quality >= 0 && quality <= 1 ? quality : 1;
  }
  return 1;
}
