/**
 * RpbGetResp and RpbPutResp of stored objects. The stored form of an object contains these messages' bodies
 * as they stand (D9), so a reply is a head and a copy.
 */
import { type ByteString, varintSize } from '../stdx/index.ts';
import { frameHeadBytes } from './frame-reader.ts';
import { rpbGetResp, rpbPutResp } from './messages/objects.ts';
import type { ProtoWriter } from './proto-writer.ts';

/** Appends the head of a frame whose body of `bodyBytes` bytes follows, here or as a write of its own. */
export function writeFrameHead(writer: ProtoWriter, code: number, bodyBytes: number): void {
  writer.uint32BE(bodyBytes + 1);
  writer.byte(code);
}

/** Appends a frame whose body is encoded already; none for an empty message. */
function writeBody(writer: ProtoWriter, code: number, body: Uint8Array | undefined): void {
  const bodyBytes = body === undefined ? 0 : body.length;
  writer.reserve(frameHeadBytes + bodyBytes);
  writeFrameHead(writer, code, bodyBytes);
  if (body !== undefined) writer.raw(body);
}

/** `body` is that of an RpbGetResp: contents and context. */
export function writeGetReply(writer: ProtoWriter, body: Uint8Array | undefined): void {
  writeBody(writer, rpbGetResp.code, body);
}

/** `body` is that of an RpbGetResp, whose fields have the same numbers here; `key` only if it was generated. */
export function writePutReply(
  writer: ProtoWriter,
  body: Uint8Array | undefined,
  key: ByteString | undefined,
): void {
  if (key === undefined) {
    writeBody(writer, rpbPutResp.code, body);
    return;
  }
  const bodyBytes = body === undefined ? 0 : body.length;
  writeFrameHead(writer, rpbPutResp.code, bodyBytes + 1 + varintSize(key.length) + key.length);
  if (body !== undefined) writer.raw(body);
  writer.byte(0x1a);
  writer.byteString(key);
}
