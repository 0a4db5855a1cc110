/**
 * Where the parts of an encoded RpbContent lie: one pass that checks all of it and copies nothing.
 */
import { ContentError, DecodeError } from './decode-error.ts';
import { ProtoReader } from './proto-reader.ts';

// Tags: field number << 3 | wire type.
export const tagValue = 0x0a;
export const tagContentType = 0x12;
export const tagCharset = 0x1a;
export const tagContentEncoding = 0x22;
export const tagVtag = 0x2a;
export const tagLink = 0x32;
export const tagLastMod = 0x38;
export const tagLastModUsecs = 0x40;
export const tagUserMeta = 0x4a;
export const tagIndex = 0x52;
export const tagDeleted = 0x58;
/** Seconds that the content is to live, in what clients send (as in Riak's later message). */
export const tagTtl = 0x60;
/** When it ends, in what is stored: microseconds since the Unix epoch. A field of our own. */
export const tagExpires = 0x68;
/** Where the value is, if it is not here: a field of our own, opaque to this module. */
export const tagManifest = 0x72;
const fieldMax = tagManifest >>> 3;

/** Offsets of a field's bytes; `start` is -1 if it is absent. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface PairSpans {
  readonly key: Span;
  readonly value: Span;
}

export interface LinkSpans {
  readonly bucket: Span;
  readonly key: Span;
  readonly tag: Span;
}

export interface ContentScan {
  value: Span;
  contentType: Span;
  charset: Span;
  contentEncoding: Span;
  vtag: Span;
  /** Whole seconds, -1 if absent; and the microseconds beside them. */
  seconds: number;
  micros: number;
  deleted: boolean;
  /** -1 if absent. */
  ttlSeconds: number;
  /** 0 if absent. */
  expiresAtMicros: number;
  manifest: Span;
  links: LinkSpans[];
  userMeta: PairSpans[];
  indexes: PairSpans[];
}

const absent: Span = { start: -1, end: -1 };
const none: never[] = [];

/** Throws `ContentError` unless bytes `start` to `end` are a well-formed RpbContent with a value. */
export function scanContent(bytes: Uint8Array, start: number, end: number): ContentScan {
  try {
    return scanFields(new ProtoReader(bytes, start, end));
  } catch (error) {
    if (error instanceof DecodeError) throw new ContentError(error.reason);
    throw error;
  }
}

function scanFields(reader: ProtoReader): ContentScan {
  const scan: ContentScan = {
    value: absent,
    contentType: absent,
    charset: absent,
    contentEncoding: absent,
    vtag: absent,
    seconds: -1,
    micros: 0,
    deleted: false,
    ttlSeconds: -1,
    expiresAtMicros: 0,
    manifest: absent,
    links: none,
    userMeta: none,
    indexes: none,
  };
  while (!reader.atEnd) {
    const tag = reader.tag();
    switch (tag) {
      case tagValue:
        scan.value = span(reader);
        break;
      case tagContentType:
        scan.contentType = span(reader);
        break;
      case tagCharset:
        scan.charset = span(reader);
        break;
      case tagContentEncoding:
        scan.contentEncoding = span(reader);
        break;
      case tagVtag:
        scan.vtag = span(reader);
        break;
      case tagLink:
        scan.links = appended(scan.links, scanLink(reader));
        break;
      case tagLastMod:
        scan.seconds = reader.uint32();
        break;
      case tagLastModUsecs:
        scan.micros = reader.uint32();
        break;
      case tagUserMeta:
        scan.userMeta = appended(scan.userMeta, scanPair(reader));
        break;
      case tagIndex:
        scan.indexes = appended(scan.indexes, scanPair(reader));
        break;
      case tagDeleted:
        scan.deleted = reader.bool();
        break;
      case tagTtl:
        scan.ttlSeconds = reader.uint32();
        break;
      case tagExpires:
        scan.expiresAtMicros = scanMicros(reader);
        break;
      case tagManifest:
        scan.manifest = span(reader);
        break;
      default:
        if (tag >>> 3 <= fieldMax) throw new DecodeError(`wrong wire type in content field ${tag >>> 3}`);
        reader.skip(tag);
    }
  }
  if (scan.value === absent) throw new DecodeError('content without value');
  return scan;
}

/** Adds to a list of its own; the shared empty list, which spares most contents three arrays, stays empty. */
function appended<T>(list: T[], item: T): T[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}

function span(reader: ProtoReader): Span {
  const length = reader.length();
  const start = reader.position;
  reader.position = start + length;
  return { start, end: start + length };
}

function scanMicros(reader: ProtoReader): number {
  const micros = Number(reader.uint64());
  if (!Number.isSafeInteger(micros)) throw new DecodeError('an expiry beyond all dates');
  return micros;
}

function scanPair(reader: ProtoReader): PairSpans {
  const [key, value] = scanParts(reader, 2);
  if (key === undefined || key === absent) throw new DecodeError('pair without key');
  return { key, value: value ?? absent };
}

function scanLink(reader: ProtoReader): LinkSpans {
  const [bucket, key, tag] = scanParts(reader, 3);
  return { bucket: bucket ?? absent, key: key ?? absent, tag: tag ?? absent };
}

/** A nested message whose fields 1 to `count` are bytes. */
function scanParts(reader: ProtoReader, count: number): Span[] {
  const { start, end } = span(reader);
  const nested = new ProtoReader(reader.bytes, start, end);
  const parts: Span[] = new Array<Span>(count).fill(absent);
  while (!nested.atEnd) {
    const tag = nested.tag();
    const field = tag >>> 3;
    if (field > count) nested.skip(tag);
    else if ((tag & 7) !== 2) throw new DecodeError('wrong wire type in link or pair');
    else parts[field - 1] = span(nested);
  }
  return parts;
}
