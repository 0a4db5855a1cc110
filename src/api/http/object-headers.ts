/** The headers of a stored content, in responses and in the parts of a sibling multipart. */
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import type { Content } from '../../wire/index.ts';
import { headerName, headerValue } from './header-text.ts';
import { formatHttpDate } from './http-date.ts';
import { indexHeaderPrefix, mergeIndexes } from './index-headers.ts';
import { formatLinks, type LinkStyle } from './link-header.ts';
import { pushExpiry } from './ttl-header.ts';

const microsPerSecond = 1_000_000;
const defaultContentType = 'application/octet-stream';
const charsetMark = 'charset=';

/**
 * Metadata keys that mean something to HTTP, were they sent as they are. Metadata written over Protocol
 * Buffers may have any key; these leave with the prefix of user metadata.
 */
const reservedNames: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'etag',
  'keep-alive',
  'last-modified',
  'link',
  'location',
  'server',
  'set-cookie',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'vary',
  'x-riak-deleted',
  'x-riak-expires',
  'x-riak-vclock',
]);

export function contentTypeOf(content: Content): string {
  const type = content.contentType ?? '';
  const shown = type === '' ? defaultContentType : type;
  const { charset } = content;
  return headerValue(charset === undefined || charset === '' ? shown : `${shown}; charset=${charset}`);
}

export function lastModifiedSeconds(content: Content): number {
  return Math.floor((content.lastModifiedMicros ?? 0) / microsPerSecond);
}

/** Of a single content: pushes names and values in turn. `ETag`, `X-Riak-Vclock` and `Vary` are the response's. */
export function pushContentHeaders(
  headers: string[],
  content: Content,
  bucket: ByteString,
  style: LinkStyle,
): void {
  for (const { key, value } of content.userMeta) {
    if (key !== '') headers.push(metaHeaderName(key), headerValue(value));
  }
  if (content.indexes.length > 0) {
    mergeIndexes(content.indexes, (field, values) => {
      headers.push(indexHeaderPrefix + headerName(field), headerValue(values));
    });
  }
  headers.push('Link', formatLinks(content.links, bucket, style));
  headers.push('Last-Modified', formatHttpDate(lastModifiedSeconds(content)));
  if (content.deleted) headers.push('X-Riak-Deleted', 'true');
  pushExpiry(headers, content);
  pushContentEncoding(headers, content);
  headers.push('Content-Type', contentTypeOf(content));
}

/** The head of one part of a sibling multipart, each line ended, in Riak's order; the tag unquoted as there. */
export function partHead(content: Content, bucket: ByteString, style: LinkStyle): string {
  const headers: string[] = ['Content-Type', contentTypeOf(content)];
  pushContentEncoding(headers, content);
  headers.push('Link', formatLinks(content.links, bucket, style));
  headers.push('Etag', headerValue(content.vtag ?? ''));
  headers.push('Last-Modified', formatHttpDate(lastModifiedSeconds(content)));
  if (content.deleted) headers.push('X-Riak-Deleted', 'true');
  pushExpiry(headers, content);
  for (const { key, value } of content.userMeta) {
    if (key !== '') headers.push(metaHeaderName(key), headerValue(value));
  }
  for (const { key, value } of content.indexes) {
    headers.push(indexHeaderPrefix + headerName(key), headerValue(value));
  }
  let head = '';
  for (let at = 0; at < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return head;
}

/** `charset` apart from the rest of a Content-Type value, as it is stored. */
export function splitContentType(value: string): {
  readonly contentType: ByteString;
  readonly charset: ByteString | undefined;
} {
  if (!value.includes(';')) return { contentType: byteLiteral(value.trim()), charset: undefined };
  let contentType = '';
  let charset: string | undefined;
  for (const piece of value.split(';')) {
    const trimmed = piece.trim();
    if (trimmed === '') continue;
    if (contentType === '') contentType = trimmed;
    else if (charset === undefined && trimmed.toLowerCase().startsWith(charsetMark)) {
      charset = trimmed.slice(charsetMark.length);
    } else contentType += `; ${trimmed}`;
  }
  return {
    contentType: byteLiteral(contentType),
    charset: charset === undefined ? undefined : byteLiteral(charset),
  };
}

function pushContentEncoding(headers: string[], content: Content): void {
  const encoding = content.contentEncoding;
  // `identity` names the absence of one, and is not announced (RFC 9110 §8.4).
  if (encoding !== undefined && encoding !== '' && encoding !== 'identity')
    headers.push('Content-Encoding', headerValue(encoding));
}

function metaHeaderName(key: string): string {
  return reservedNames.has(key.toLowerCase()) ? `X-Riak-Meta-${headerName(key)}` : headerName(key);
}
