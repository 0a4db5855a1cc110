/**
 * Where the parts of an encoded RpbContent lie: one pass that checks all of it and copies nothing.
 */
import { readVarint, varintSize } from '../stdx/index.ts';
import { ContentError, type ContentList, DecodeError } from './decode-error.ts';
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

/** Links, entries of user metadata and index entries that a content may be written with: so many of each. */
export const contentEntriesMax = 10_000;
/** Bytes of those links and that user metadata together. They leave as headers, where each byte may take three. */
export const metadataBytesMax = 1024 * 1024;
/** A tag and a length of nothing. */
const entryBytesMin = 2;

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
  return scanned(new ProtoReader(bytes, start, end), Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
}

/** The same of what is to be written, which must not have too much of anything. */
export function scanNewContent(bytes: Uint8Array): ContentScan {
  return scanned(new ProtoReader(bytes), contentEntriesMax, metadataBytesMax);
}

/**
 * Whether a stored content could be written now, as far as links and user metadata go: nothing bounded them once.
 * Allocates nothing.
 */
export function hasBoundedMetadata(content: Uint8Array): boolean {
  const end = content.length;
  let [links, pairs, bytes] = [0, 0, 0];
  let at = 0;
  while (at < end) {
    const tag = content[at]!;
    const number = readVarint(content, at + 1, end);
    if (number < 0) return true;
    const size = 1 + varintSize(number) + ((tag & 7) === 0 ? 0 : number);
    // The value comes first: most contents have not much beside it.
    if (tag === tagValue && end - at - size <= entryBytesMin * contentEntriesMax) return true;
    if (tag === tagLink) links += 1;
    else if (tag === tagUserMeta) pairs += 1;
    if (tag === tagLink || tag === tagUserMeta) bytes += size;
    at += size;
  }
  return links <= contentEntriesMax && pairs <= contentEntriesMax && bytes <= metadataBytesMax;
}

function scanned(reader: ProtoReader, entriesMax: number, bytesMax: number): ContentScan {
  try {
    return scanFields(reader, entriesMax, bytesMax);
  } catch (error) {
    if (error instanceof DecodeError && !(error instanceof ContentError))
      throw new ContentError(error.reason);
    throw error;
  }
}

function scanFields(reader: ProtoReader, entriesMax: number, bytesMax: number): ContentScan {
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
  let metadataBytes = 0;
  while (!reader.atEnd) {
    const start = reader.position;
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
        scan.links = appended(scan.links, scanLink(reader), entriesMax, 'links');
        metadataBytes += reader.position - start;
        break;
      case tagLastMod:
        scan.seconds = reader.uint32();
        break;
      case tagLastModUsecs:
        scan.micros = reader.uint32();
        break;
      case tagUserMeta:
        scan.userMeta = appended(scan.userMeta, scanPair(reader), entriesMax, 'entries of user metadata');
        metadataBytes += reader.position - start;
        break;
      case tagIndex:
        scan.indexes = appended(scan.indexes, scanPair(reader), entriesMax, 'index entries');
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
  if (metadataBytes > bytesMax) {
    throw new ContentError(`links and user metadata of more than ${bytesMax} bytes`);
  }
  return scan;
}

/** Adds to a list of its own; the shared empty list, which spares most contents three arrays, stays empty. */
function appended<T>(list: T[], item: T, entriesMax: number, name: ContentList): T[] {
  if (list.length === 0) return [item];
  if (list.length >= entriesMax) throw new ContentError(`more than ${entriesMax} ${name}`, name);
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
