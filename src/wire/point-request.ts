/**
 * RpbGetReq and RpbPutReq, read by hand: the requests that a database spends its days on.
 *
 * The readers are reused. They keep offsets where a view would have to be made, and they keep the name of
 * the last bucket and type, which most requests of a connection repeat, so that a get makes one string.
 * A law holds them to the tables in `messages/objects.ts`.
 */
import type { Buffer } from 'node:buffer';
import { type ByteString, byteStringOf } from '../stdx/index.ts';
import { DecodeError } from './decode-error.ts';
import { ProtoReader } from './proto-reader.ts';

const empty = '' as ByteString;
const getFieldMax = 14;
const putFieldMax = 18;

/** The fields of one RpbGetReq; an absent one is undefined. Offsets point into the bytes that were read. */
export class GetRequestReader {
  bucket: ByteString = empty;
  key: ByteString = empty;
  r: number | undefined;
  pr: number | undefined;
  basicQuorum: boolean | undefined;
  notfoundOk: boolean | undefined;
  /** -1 if absent. */
  ifModifiedStart = -1;
  ifModifiedEnd = -1;
  head: boolean | undefined;
  deletedVclock: boolean | undefined;
  timeout: number | undefined;
  sloppyQuorum: boolean | undefined;
  nVal: number | undefined;
  type: ByteString | undefined;
  nodeConfirms: number | undefined;

  readonly #reader = new ProtoReader(new Uint8Array(0));
  #lastBucket: ByteString = empty;
  #lastType: ByteString = empty;

  /** Throws `DecodeError`. */
  read(bytes: Buffer, start: number, end: number): void {
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    this.#clear();
    let hasBucket = false;
    let hasKey = false;
    while (reader.position < end) {
      const tag = reader.tag();
      switch (tag) {
        case 0x0a:
          this.bucket = this.#lastBucket = repeatedName(reader, this.#lastBucket);
          hasBucket = true;
          break;
        case 0x12:
          this.key = name(reader);
          hasKey = true;
          break;
        case 0x6a:
          this.type = this.#lastType = repeatedName(reader, this.#lastType);
          break;
        default:
          this.#readOption(tag);
      }
    }
    if (!hasBucket) throw new DecodeError('RpbGetReq without bucket');
    if (!hasKey) throw new DecodeError('RpbGetReq without key');
  }

  #readOption(tag: number): void {
    const reader = this.#reader;
    switch (tag) {
      case 0x18:
        this.r = reader.uint32();
        return;
      case 0x20:
        this.pr = reader.uint32();
        return;
      case 0x28:
        this.basicQuorum = reader.bool();
        return;
      case 0x30:
        this.notfoundOk = reader.bool();
        return;
      case 0x3a: {
        const length = reader.length();
        this.ifModifiedStart = reader.position;
        this.ifModifiedEnd = reader.position += length;
        return;
      }
      case 0x40:
        this.head = reader.bool();
        return;
      case 0x48:
        this.deletedVclock = reader.bool();
        return;
      case 0x50:
        this.timeout = reader.uint32();
        return;
      case 0x58:
        this.sloppyQuorum = reader.bool();
        return;
      case 0x60:
        this.nVal = reader.uint32();
        return;
      case 0x70:
        this.nodeConfirms = reader.uint32();
        return;
      default:
        skipUnknown(reader, tag, getFieldMax);
    }
  }

  #clear(): void {
    this.r = undefined;
    this.pr = undefined;
    this.basicQuorum = undefined;
    this.notfoundOk = undefined;
    this.ifModifiedStart = -1;
    this.ifModifiedEnd = -1;
    this.head = undefined;
    this.deletedVclock = undefined;
    this.timeout = undefined;
    this.sloppyQuorum = undefined;
    this.nVal = undefined;
    this.type = undefined;
    this.nodeConfirms = undefined;
  }
}

/** The fields of one RpbPutReq, as in `GetRequestReader`. The content is found, not checked. */
export class PutRequestReader {
  bucket: ByteString = empty;
  key: ByteString | undefined;
  /** -1 if absent. */
  vclockStart = -1;
  vclockEnd = -1;
  contentStart = -1;
  contentEnd = -1;
  w: number | undefined;
  dw: number | undefined;
  returnBody: boolean | undefined;
  pw: number | undefined;
  ifNotModified: boolean | undefined;
  ifNoneMatch: boolean | undefined;
  returnHead: boolean | undefined;
  timeout: number | undefined;
  asis: boolean | undefined;
  sloppyQuorum: boolean | undefined;
  nVal: number | undefined;
  type: ByteString | undefined;
  nodeConfirms: number | undefined;
  syncOnWrite: ByteString | undefined;

  readonly #reader = new ProtoReader(new Uint8Array(0));
  #lastBucket: ByteString = empty;
  #lastType: ByteString = empty;

  /** Throws `DecodeError`. */
  read(bytes: Buffer, start: number, end: number): void {
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    this.#clear();
    let hasBucket = false;
    while (reader.position < end) {
      const tag = reader.tag();
      switch (tag) {
        case 0x0a:
          this.bucket = this.#lastBucket = repeatedName(reader, this.#lastBucket);
          hasBucket = true;
          break;
        case 0x12:
          this.key = name(reader);
          break;
        case 0x1a: {
          const length = reader.length();
          this.vclockStart = reader.position;
          this.vclockEnd = reader.position += length;
          break;
        }
        case 0x22: {
          const length = reader.length();
          this.contentStart = reader.position;
          this.contentEnd = reader.position += length;
          break;
        }
        default:
          this.#readOption(tag);
      }
    }
    if (!hasBucket) throw new DecodeError('RpbPutReq without bucket');
    if (this.contentStart < 0) throw new DecodeError('RpbPutReq without content');
  }

  #readOption(tag: number): void {
    const reader = this.#reader;
    switch (tag) {
      case 0x28:
        this.w = reader.uint32();
        return;
      case 0x30:
        this.dw = reader.uint32();
        return;
      case 0x38:
        this.returnBody = reader.bool();
        return;
      case 0x40:
        this.pw = reader.uint32();
        return;
      case 0x48:
        this.ifNotModified = reader.bool();
        return;
      case 0x50:
        this.ifNoneMatch = reader.bool();
        return;
      case 0x58:
        this.returnHead = reader.bool();
        return;
      case 0x60:
        this.timeout = reader.uint32();
        return;
      case 0x68:
        this.asis = reader.bool();
        return;
      case 0x70:
        this.sloppyQuorum = reader.bool();
        return;
      case 0x78:
        this.nVal = reader.uint32();
        return;
      case 0x82:
        this.type = this.#lastType = repeatedName(reader, this.#lastType);
        return;
      case 0x88:
        this.nodeConfirms = reader.uint32();
        return;
      case 0x92:
        this.syncOnWrite = name(reader);
        return;
      default:
        skipUnknown(reader, tag, putFieldMax);
    }
  }

  #clear(): void {
    this.key = undefined;
    this.vclockStart = -1;
    this.vclockEnd = -1;
    this.contentStart = -1;
    this.contentEnd = -1;
    this.w = undefined;
    this.dw = undefined;
    this.returnBody = undefined;
    this.pw = undefined;
    this.ifNotModified = undefined;
    this.ifNoneMatch = undefined;
    this.returnHead = undefined;
    this.timeout = undefined;
    this.asis = undefined;
    this.sloppyQuorum = undefined;
    this.nVal = undefined;
    this.type = undefined;
    this.nodeConfirms = undefined;
    this.syncOnWrite = undefined;
  }
}

function name(reader: ProtoReader): ByteString {
  const length = reader.length();
  const start = reader.position;
  reader.position = start + length;
  return byteStringOf(reader.bytes, start, start + length);
}

/** The name that comes next; `last` itself if it is the same, which spares a string and its hash. */
function repeatedName(reader: ProtoReader, last: ByteString): ByteString {
  const length = reader.length();
  const start = reader.position;
  reader.position = start + length;
  const { bytes } = reader;
  let same = length === last.length;
  for (let i = 0; same && i < length; i += 1) same = bytes[start + i] === last.charCodeAt(i);
  return same ? last : byteStringOf(bytes, start, start + length);
}

function skipUnknown(reader: ProtoReader, tag: number, fieldMax: number): void {
  if (tag >>> 3 <= fieldMax) throw new DecodeError(`wrong wire type in field ${tag >>> 3}`);
  reader.skip(tag);
}
