/**
 * RpbContent: one value ("sibling") with its metadata. Its encoded bytes are also the stored form of
 * a sibling (D9), so that a read over Protocol Buffers copies bytes and decodes nothing.
 *
 * Canonical form, which all that is stored has: fields in the order value, content_type, charset,
 * content_encoding, vtag, links, last_mod, last_mod_usecs, usermeta, indexes, deleted (the order in which
 * Riak answers), expires, manifest; value always, first; `deleted` only when true, `expires` and `manifest` only when it
 * is not; no unknown fields; shortest varints.
 */
import { Buffer } from 'node:buffer';
import {
  assert,
  type ByteString,
  byteStringOf,
  readVarint,
  varintSize,
  writeByteString,
  writeVarint,
} from '../stdx/index.ts';
import {
  type ContentScan,
  type LinkSpans,
  type PairSpans,
  type Span,
  scanContent,
  scanNewContent,
  tagCharset,
  tagContentEncoding,
  tagContentType,
  tagDeleted,
  tagExpires,
  tagIndex,
  tagLastMod,
  tagLastModUsecs,
  tagLink,
  tagManifest,
  tagTtl,
  tagUserMeta,
  tagValue,
  tagVtag,
} from './content-scan.ts';
import { ProtoReader } from './proto-reader.ts';

export interface Pair {
  readonly key: ByteString;
  readonly value: ByteString;
}

export interface Link {
  readonly bucket: ByteString;
  readonly key: ByteString;
  readonly tag: ByteString;
}

export interface Content {
  readonly value: Buffer;
  readonly contentType?: ByteString;
  readonly charset?: ByteString;
  readonly contentEncoding?: ByteString;
  readonly vtag?: ByteString;
  readonly links: readonly Link[];
  /** Microseconds since the Unix epoch (fields 7 and 8). */
  readonly lastModifiedMicros?: number;
  readonly userMeta: readonly Pair[];
  readonly indexes: readonly Pair[];
  readonly deleted: boolean;
  /** What a client asks for: seconds from the write on; 0: for ever, whatever the bucket says. Never stored. */
  readonly ttlSeconds?: number;
  /** What was made of it: microseconds since the Unix epoch. */
  readonly expiresAtMicros?: number;
  /** Of a value that is kept elsewhere, and empty here: where. Taken from no client. */
  readonly manifest?: Buffer;
}

/** Up to here copying by hand is cheaper than a call. */
const shortBytes = 40;
const microsPerSecond = 1_000_000;
const secondsMax = 0xffff_ffff;
const empty = '' as ByteString;

/**
 * Seconds that a content lives which does not say so itself; 0: for ever. `kept`: when it expires was decided before,
 * elsewhere.
 */
export type ContentLifetime = number | 'kept';

/**
 * A content as the coordinator stores it: canonical, its vtag, last-modified and expiry replaced.
 * `deleted` is kept; a manifest is the given one, or none. Throws `ContentError` when it is malformed or has no value.
 */
export function stampContent(
  content: Uint8Array,
  vtag: ByteString,
  lastModifiedMicros: number,
  lifetime: ContentLifetime = 0,
  manifest?: Buffer,
): Buffer {
  const scan = scanContent(content, 0, content.length);
  const expiresAtMicros = expiryOf(scan, lastModifiedMicros, lifetime);
  return writeContent(scan, content, { vtag, lastModifiedMicros, expiresAtMicros, manifest });
}

/** The same of a client's content, which must not have too many links, user metadata or index entries. */
export function stampNewContent(
  content: Uint8Array,
  vtag: ByteString,
  lastModifiedMicros: number,
  lifetime: ContentLifetime,
  manifest?: Buffer,
): Buffer {
  const scan = scanNewContent(content);
  const expiresAtMicros = expiryOf(scan, lastModifiedMicros, lifetime);
  return writeContent(scan, content, { vtag, lastModifiedMicros, expiresAtMicros, manifest });
}

/** 0: never. A tombstone does not expire: it is forgotten when everybody has it. */
function expiryOf(scan: ContentScan, nowMicros: number, lifetime: ContentLifetime): number {
  if (scan.deleted) return 0;
  if (lifetime === 'kept') return scan.expiresAtMicros;
  const seconds = scan.ttlSeconds < 0 ? lifetime : scan.ttlSeconds;
  return seconds === 0 ? 0 : nowMicros + seconds * microsPerSecond;
}

/** A stored content with an empty value and all else as it is. */
export function headOfContent(content: Buffer): Buffer {
  const rest = afterValue(content);
  const head = Buffer.allocUnsafe(2 + content.length - rest);
  head[0] = tagValue;
  head[1] = 0;
  content.copy(head, 2, rest);
  return head;
}

const noIndexes: readonly Pair[] = [];
const wireTypeMask = 7;
const wireTypeVarint = 0;

/** The index entries of a stored content, in their order; no list is made if there are none. */
export function indexesOfContent(content: Buffer): readonly Pair[] {
  return hasIndexes(content) ? decodeContent(content).indexes : noIndexes;
}

/** Whether a stored content has index entries. Asked at every write: it skips from tag to tag, and allocates nothing. */
function hasIndexes(content: Buffer): boolean {
  const end = content.length;
  let at = 0;
  // Tags of a canonical content are one byte each and in order, so that most end here early.
  while (at < end) {
    const tag = content[at]!;
    if (tag >= tagIndex) return tag === tagIndex;
    const number = readVarint(content, at + 1, end);
    if (number < 0) return false;
    at += 1 + varintSize(number);
    if ((tag & wireTypeMask) !== wireTypeVarint) at += number;
  }
  return false;
}

/** What a stored content has of what most have not. */
export const marksIndexed = 1;
export const marksExpiring = 2;
export const marksManifest = 4;

/** Asked at every write, as `hasIndexes`. */
export function marksOfContent(content: Buffer): number {
  const end = content.length;
  let at = 0;
  let marks = 0;
  while (at < end) {
    const tag = content[at]!;
    if (tag === tagIndex) marks = marksIndexed;
    else if (tag === tagExpires) marks |= marksExpiring;
    else if (tag > tagIndex) return tag === tagManifest ? marks | marksManifest : marks;
    const number = readVarint(content, at + 1, end);
    if (number < 0) return marks;
    at += 1 + varintSize(number);
    if ((tag & wireTypeMask) !== wireTypeVarint) at += number;
  }
  return marks;
}

/** Microseconds since the Unix epoch at which a stored content ends; 0: never. */
export function expiryOfContent(content: Buffer): number {
  const end = content.length;
  let at = 0;
  while (at < end) {
    const tag = content[at]!;
    const number = readVarint(content, at + 1, end);
    if (number < 0) return 0;
    if (tag === tagExpires) return number;
    at += 1 + varintSize(number);
    if ((tag & wireTypeMask) !== wireTypeVarint) at += number;
  }
  return 0;
}

/** Where the value of a stored content is kept; undefined: it is here. A view. */
export function manifestOfContent(content: Buffer): Buffer | undefined {
  if ((marksOfContent(content) & marksManifest) === 0) return undefined;
  const { manifest } = scanContent(content, 0, content.length);
  return content.subarray(manifest.start, manifest.end);
}

/** Whether a stored content is a tombstone. */
export function isDeletedContent(content: Buffer): boolean {
  const { length } = content;
  // In canonical form a tombstone ends with this field; most contents are told apart by their last bytes.
  if (length < 2 || content[length - 1] !== 1 || content[length - 2] !== tagDeleted) return false;
  const reader = new ProtoReader(content, afterValue(content), length);
  while (!reader.atEnd) {
    const tag = reader.tag();
    if (tag === tagDeleted) return reader.bool();
    reader.skip(tag);
  }
  return false;
}

/** Microseconds since the Unix epoch of a stored content; 0 if it has none. */
export function lastModifiedOfContent(content: Buffer): number {
  const reader = new ProtoReader(content, afterValue(content), content.length);
  let seconds = 0;
  let micros = 0;
  while (!reader.atEnd) {
    const tag = reader.tag();
    if (tag === tagLastMod) seconds = reader.uint32();
    else if (tag === tagLastModUsecs) micros = reader.uint32();
    else if (tag > tagLastModUsecs) break;
    else reader.skip(tag);
  }
  return seconds * microsPerSecond + micros;
}

/** What a delete stores: no value, deleted. */
export function tombstoneContent(vtag: ByteString, micros: number): Buffer {
  return stampContent(tombstoneTemplate(), vtag, micros);
}

function tombstoneTemplate(): Uint8Array {
  return Uint8Array.of(tagValue, 0, tagDeleted, 1);
}

/** Throws `ContentError` unless bytes `start` to `end` are a well-formed RpbContent with a value. */
export function validateContent(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
  scanContent(bytes, start, end);
}

/** `value` is a view into `bytes`; all else is copied out. Absent parts of links and pairs read as empty. */
export function decodeContent(bytes: Uint8Array, start = 0, end: number = bytes.length): Content {
  const scan = scanContent(bytes, start, end);
  const text = (at: Span): ByteString | undefined =>
    at.start < 0 ? undefined : byteStringOf(bytes, at.start, at.end);
  const pair = (at: PairSpans): Pair => ({ key: text(at.key) ?? empty, value: text(at.value) ?? empty });
  return {
    value: Buffer.from(bytes.buffer, bytes.byteOffset + scan.value.start, scan.value.end - scan.value.start),
    contentType: text(scan.contentType),
    charset: text(scan.charset),
    contentEncoding: text(scan.contentEncoding),
    vtag: text(scan.vtag),
    links: scan.links.map((at) => ({
      bucket: text(at.bucket) ?? empty,
      key: text(at.key) ?? empty,
      tag: text(at.tag) ?? empty,
    })),
    lastModifiedMicros: scan.seconds < 0 ? undefined : scan.seconds * microsPerSecond + scan.micros,
    userMeta: scan.userMeta.map(pair),
    indexes: scan.indexes.map(pair),
    deleted: scan.deleted,
    ...(scan.ttlSeconds < 0 ? {} : { ttlSeconds: scan.ttlSeconds }),
    ...(scan.expiresAtMicros === 0 ? {} : { expiresAtMicros: scan.expiresAtMicros }),
    ...(scan.manifest.start < 0
      ? {}
      : { manifest: Buffer.from(bytes.subarray(scan.manifest.start, scan.manifest.end)) }),
  };
}

/** In canonical form. Optional fields that are absent in `content` are absent in the bytes. */
export function encodeContent(content: Content): Buffer {
  let size = fieldSize(content.value.length) + optionalSize(content.contentType);
  size += optionalSize(content.charset) + optionalSize(content.contentEncoding) + optionalSize(content.vtag);
  for (const link of content.links) size += fieldSize(linkSize(link));
  if (content.lastModifiedMicros !== undefined) size += lastModifiedSize(content.lastModifiedMicros);
  for (const pair of content.userMeta) size += fieldSize(pairSize(pair));
  for (const pair of content.indexes) size += fieldSize(pairSize(pair));
  if (content.deleted) size += 2;
  size += numberSize(content.ttlSeconds) + numberSize(content.expiresAtMicros);
  if (content.manifest !== undefined) size += fieldSize(content.manifest.length);

  const out = Buffer.allocUnsafe(size);
  let at = writeHead(out, 0, tagValue, content.value.length);
  out.set(content.value, at);
  at += content.value.length;
  at = writeText(out, at, tagContentType, content.contentType);
  at = writeText(out, at, tagCharset, content.charset);
  at = writeText(out, at, tagContentEncoding, content.contentEncoding);
  at = writeText(out, at, tagVtag, content.vtag);
  for (const link of content.links) {
    at = writeHead(out, at, tagLink, linkSize(link));
    at = writeText(out, at, 0x0a, link.bucket);
    at = writeText(out, at, 0x12, link.key);
    at = writeText(out, at, 0x1a, link.tag);
  }
  if (content.lastModifiedMicros !== undefined) {
    at = writeLastModified(out, at, content.lastModifiedMicros);
  }
  for (const pair of content.userMeta) at = writePair(out, at, tagUserMeta, pair);
  for (const pair of content.indexes) at = writePair(out, at, tagIndex, pair);
  if (content.deleted) at = writeDeleted(out, at);
  at = writeNumber(out, at, tagTtl, content.ttlSeconds);
  at = writeNumber(out, at, tagExpires, content.expiresAtMicros);
  at = writeManifest(out, at, content.manifest);
  assert(at === size, 'encoded content has the size computed for it');
  return out;
}

/** The offset after the value of a stored content. */
function afterValue(content: Buffer): number {
  assert(content[0] === tagValue, 'a stored content begins with its value');
  const reader = new ProtoReader(content, 1, content.length);
  const length = reader.length();
  return reader.position + length;
}

interface Stamp {
  readonly vtag: ByteString;
  readonly lastModifiedMicros: number;
  /** 0: never. */
  readonly expiresAtMicros: number;
  readonly manifest: Buffer | undefined;
}

function writeContent(scan: ContentScan, from: Uint8Array, stamp: Stamp): Buffer {
  let size = spanSize(scan.value) + spanSize(scan.contentType) + spanSize(scan.charset);
  size += spanSize(scan.contentEncoding) + fieldSize(stamp.vtag.length);
  for (const link of scan.links) size += fieldSize(linkSpansSize(link));
  size += lastModifiedSize(stamp.lastModifiedMicros);
  for (const pair of scan.userMeta) size += fieldSize(pairSpansSize(pair));
  for (const pair of scan.indexes) size += fieldSize(pairSpansSize(pair));
  if (scan.deleted) size += 2;
  if (stamp.expiresAtMicros > 0) size += numberSize(stamp.expiresAtMicros);
  if (stamp.manifest !== undefined) size += fieldSize(stamp.manifest.length);

  const out = Buffer.allocUnsafe(size);
  let at = writeSpan(out, 0, tagValue, from, scan.value);
  at = writeSpan(out, at, tagContentType, from, scan.contentType);
  at = writeSpan(out, at, tagCharset, from, scan.charset);
  at = writeSpan(out, at, tagContentEncoding, from, scan.contentEncoding);
  at = writeText(out, at, tagVtag, stamp.vtag);
  for (const link of scan.links) {
    at = writeHead(out, at, tagLink, linkSpansSize(link));
    at = writeSpan(out, at, 0x0a, from, link.bucket);
    at = writeSpan(out, at, 0x12, from, link.key);
    at = writeSpan(out, at, 0x1a, from, link.tag);
  }
  at = writeLastModified(out, at, stamp.lastModifiedMicros);
  for (const pair of scan.userMeta) at = writePairSpans(out, at, tagUserMeta, from, pair);
  for (const pair of scan.indexes) at = writePairSpans(out, at, tagIndex, from, pair);
  if (scan.deleted) at = writeDeleted(out, at);
  if (stamp.expiresAtMicros > 0) at = writeNumber(out, at, tagExpires, stamp.expiresAtMicros);
  at = writeManifest(out, at, stamp.manifest);
  assert(at === size, 'stamped content has the size computed for it');
  return out;
}

/** Tag, length and bytes of a field with a one-byte tag. */
function fieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

function optionalSize(text: ByteString | undefined): number {
  return text === undefined ? 0 : fieldSize(text.length);
}

function numberSize(value: number | undefined): number {
  return value === undefined ? 0 : 1 + varintSize(value);
}

function spanSize(at: Span): number {
  return at.start < 0 ? 0 : fieldSize(at.end - at.start);
}

function pairSize(pair: Pair): number {
  return fieldSize(pair.key.length) + fieldSize(pair.value.length);
}

function pairSpansSize(pair: PairSpans): number {
  return spanSize(pair.key) + spanSize(pair.value);
}

function linkSize(link: Link): number {
  return fieldSize(link.bucket.length) + fieldSize(link.key.length) + fieldSize(link.tag.length);
}

function linkSpansSize(link: LinkSpans): number {
  return spanSize(link.bucket) + spanSize(link.key) + spanSize(link.tag);
}

function lastModifiedSize(micros: number): number {
  const seconds = secondsOf(micros);
  return 2 + varintSize(seconds) + varintSize(micros - seconds * microsPerSecond);
}

function secondsOf(micros: number): number {
  const seconds = Math.floor(micros / microsPerSecond);
  assert(Number.isInteger(micros) && seconds >= 0 && seconds <= secondsMax, 'last-modified fits its fields');
  return seconds;
}

function writeHead(out: Buffer, at: number, tag: number, length: number): number {
  out[at] = tag;
  return writeVarint(out, at + 1, length);
}

function writeText(out: Buffer, at: number, tag: number, text: ByteString | undefined): number {
  if (text === undefined) return at;
  return writeByteString(out, writeHead(out, at, tag, text.length), text);
}

function writeSpan(out: Buffer, at: number, tag: number, from: Uint8Array, field: Span): number {
  if (field.start < 0) return at;
  const length = field.end - field.start;
  const start = writeHead(out, at, tag, length);
  if (length <= shortBytes) for (let i = 0; i < length; i += 1) out[start + i] = from[field.start + i]!;
  else out.set(from.subarray(field.start, field.end), start);
  return start + length;
}

function writePair(out: Buffer, at: number, tag: number, pair: Pair): number {
  const start = writeHead(out, at, tag, pairSize(pair));
  return writeText(out, writeText(out, start, 0x0a, pair.key), 0x12, pair.value);
}

function writePairSpans(out: Buffer, at: number, tag: number, from: Uint8Array, pair: PairSpans): number {
  const start = writeHead(out, at, tag, pairSpansSize(pair));
  return writeSpan(out, writeSpan(out, start, 0x0a, from, pair.key), 0x12, from, pair.value);
}

function writeLastModified(out: Buffer, at: number, micros: number): number {
  const seconds = secondsOf(micros);
  out[at] = tagLastMod;
  const next = writeVarint(out, at + 1, seconds);
  out[next] = tagLastModUsecs;
  return writeVarint(out, next + 1, micros - seconds * microsPerSecond);
}

function writeNumber(out: Buffer, at: number, tag: number, value: number | undefined): number {
  if (value === undefined) return at;
  out[at] = tag;
  return writeVarint(out, at + 1, value);
}

function writeManifest(out: Buffer, at: number, manifest: Buffer | undefined): number {
  if (manifest === undefined) return at;
  const start = writeHead(out, at, tagManifest, manifest.length);
  out.set(manifest, start);
  return start + manifest.length;
}

function writeDeleted(out: Buffer, at: number): number {
  out[at] = tagDeleted;
  out[at + 1] = 1;
  return at + 2;
}
