/**
 * Link headers. In: `</buckets/B/keys/K>; riaktag="T"`, and on legacy URLs `</riak/B/K>; riaktag="T"`; a
 * `rel="up"` to the object's own bucket is accepted and not stored. Out: the object's links, then the bucket.
 * Links have no bucket type: they name objects of the untyped namespace.
 */
import type { ByteString } from '../../stdx/index.ts';
import type { Link } from '../../wire/index.ts';
import { percentDecode, percentEncode } from './percent-encoding.ts';

export type LinkStyle = 'riak' | 'buckets';

export class LinkError extends Error {
  override readonly name = 'LinkError';
}

/** Throws `LinkError`, whose message is the body of the 400. */
export function parseLinks(header: string, bucket: ByteString, style: LinkStyle): readonly Link[] {
  const links: Link[] = [];
  for (const part of header.split(',')) {
    const text = part.trim();
    if (text === '') continue;
    const link = parseLink(text, bucket, style);
    if (link === undefined) {
      const form = style === 'riak' ? '</riak/BUCKET/KEY>' : '</buckets/BUCKET/keys/KEY>';
      throw new LinkError(`Invalid Link header. Links must be of the form\n${form}; riaktag="TAG"\n`);
    }
    if (link !== 'up') links.push(link);
  }
  return links;
}

export function formatLinks(links: readonly Link[], bucket: ByteString, style: LinkStyle): string {
  const up = `<${bucketPath(bucket, style)}>; rel="up"`;
  if (links.length === 0) return up;
  let header = '';
  for (const link of links) {
    const key = percentEncode(link.key);
    const path =
      style === 'riak'
        ? `/riak/${percentEncode(link.bucket)}/${key}`
        : `/buckets/${percentEncode(link.bucket)}/keys/${key}`;
    header += `<${path}>; riaktag="${percentEncode(link.tag)}", `;
  }
  return header + up;
}

function bucketPath(bucket: ByteString, style: LinkStyle): string {
  return `/${style}/${percentEncode(bucket)}`;
}

function parseLink(text: string, bucket: ByteString, style: LinkStyle): Link | 'up' | undefined {
  const close = text.indexOf('>;');
  if (!text.startsWith('</') || close < 0 || !text.endsWith('"')) return undefined;
  const path = text.slice(2, close).split('/');
  const relation = text.slice(close + 2, -1).trimStart();
  if (relation === 'rel="up') {
    const own = path.length === 2 && (path[0] === 'buckets' || (path[0] === 'riak' && style === 'riak'));
    return own && percentDecode(path[1]!) === bucket ? 'up' : undefined;
  }
  const opening = 'riaktag="';
  if (!relation.startsWith(opening) || relation.indexOf('"', opening.length) >= 0) return undefined;
  const tag = percentDecode(relation.slice(opening.length));
  if (path.length === 4 && path[0] === 'buckets' && path[2] === 'keys')
    return linkOf(path[1]!, path[3]!, tag);
  if (path.length === 3 && path[0] === 'riak' && style === 'riak') return linkOf(path[1]!, path[2]!, tag);
  return undefined;
}

function linkOf(bucket: string, key: string, tag: ByteString): Link | undefined {
  if (bucket === '' || key === '') return undefined;
  return { bucket: percentDecode(bucket), key: percentDecode(key), tag };
}
