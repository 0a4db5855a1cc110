/** The two representations of an object with siblings (status 300). */
import { Buffer } from 'node:buffer';
import type { Random } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import type { Content } from '../../wire/index.ts';
import { base62 } from './entity-tag.ts';
import type { LinkStyle } from './link-header.ts';
import { partHead } from './object-headers.ts';

/** 160 bits: no value that was chosen before the boundary was drawn holds it. */
const boundaryRandomBytes = 20;

export function multipartBoundary(random: Random): string {
  return base62(random.bytes(boundaryRandomBytes));
}

/** Begins with the line break of the first delimiter, as Riak's does. */
export function siblingMultipart(
  contents: readonly Content[],
  boundary: string,
  bucket: ByteString,
  style: LinkStyle,
): Buffer {
  const pieces: Buffer[] = [];
  for (const content of contents) {
    const head = `\r\n--${boundary}\r\n${partHead(content, bucket, style)}\r\n`;
    pieces.push(Buffer.from(head, 'latin1'), content.value);
  }
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'));
  return Buffer.concat(pieces);
}

/** The tags by which `?vtag=` fetches one sibling, one a line. */
export function siblingList(contents: readonly Content[]): Buffer {
  let list = 'Siblings:\n';
  for (const content of contents) list += `${content.vtag ?? ''}\n`;
  return Buffer.from(list, 'latin1');
}
