/**
 * What an object holds in the place of a value that is kept in chunks: where they are, and how to know that they are all
 * and whole. It never changes: another value is another upload.
 *
 *   1 byte version · 22 bytes upload · varint length of the value · varint length of a chunk · 4 bytes CRC-32 of the value
 */
import { Buffer } from 'node:buffer';
import {
  assert,
  type ByteString,
  byteStringOf,
  readVarint,
  varintSize,
  writeVarint,
} from '../../stdx/index.ts';
import { manifestOfContent } from '../../wire/index.ts';
import type { VersionedObject } from '../object/index.ts';
import { vtagLength } from '../unique-text.ts';

/** As long as a tag: 130 bits, which nobody draws twice. */
export const uploadIdLength = vtagLength;

const version = 1;
const crcBytes = 4;

export interface Manifest {
  readonly upload: ByteString;
  readonly bytes: number;
  /** Of each chunk but the last, which may be shorter. */
  readonly chunkBytes: number;
  readonly crc: number;
}

export function encodeManifest({ upload, bytes, chunkBytes, crc }: Manifest): Buffer {
  assert(upload.length === uploadIdLength, 'an upload has a name of one length');
  const size = 1 + uploadIdLength + varintSize(bytes) + varintSize(chunkBytes) + crcBytes;
  const encoded = Buffer.allocUnsafe(size);
  encoded[0] = version;
  encoded.write(upload, 1, 'latin1');
  const at = writeVarint(encoded, writeVarint(encoded, 1 + uploadIdLength, bytes), chunkBytes);
  encoded.writeUInt32BE(crc, at);
  return encoded;
}

/** Undefined: malformed, or of a later version. */
export function decodeManifest(encoded: Buffer): Manifest | undefined {
  const end = encoded.length - crcBytes;
  const at = 1 + uploadIdLength;
  if (encoded[0] !== version || end <= at) return undefined;
  const bytes = readVarint(encoded, at, end);
  if (bytes < 0) return undefined;
  const chunkBytes = readVarint(encoded, at + varintSize(bytes), end);
  if (chunkBytes < 1 || at + varintSize(bytes) + varintSize(chunkBytes) !== end) return undefined;
  return { upload: byteStringOf(encoded, 1, at), bytes, chunkBytes, crc: encoded.readUInt32BE(end) };
}

export function chunkCount({ bytes, chunkBytes }: Manifest): number {
  return Math.ceil(bytes / chunkBytes);
}

/** Of all siblings, expired ones and those that the bucket does not show included. */
export function manifestsOf(object: VersionedObject): readonly Manifest[] {
  if (!object.hasManifest) return [];
  const found: Manifest[] = [];
  for (const { content } of object.siblings) {
    const encoded = manifestOfContent(content);
    const manifest = encoded === undefined ? undefined : decodeManifest(encoded);
    if (manifest !== undefined) found.push(manifest);
  }
  return found;
}

export function refersTo(object: VersionedObject | undefined, upload: ByteString): boolean {
  return object !== undefined && manifestsOf(object).some((manifest) => manifest.upload === upload);
}
