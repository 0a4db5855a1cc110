/**
 * Encodes and decodes any message from its table. The four hot messages have paths of their own
 * (`point-request.ts`, `point-reply.ts`); a law ties those to this codec.
 *
 * proto2 rules kept: unknown fields are skipped, the last of several occurrences of a single field holds,
 * repeated numbers may come packed. Stricter than proto2: a known field with the wrong wire type is an error.
 */
import { Buffer } from 'node:buffer';
import { assert, type ByteString, byteStringOf, unreachable } from '../stdx/index.ts';
import { DecodeError } from './decode-error.ts';
import type {
  Encodable,
  FrameType,
  LazyMessage,
  MessageType,
  NamedField,
  ScalarKind,
} from './message-type.ts';
import { ProtoReader, wireFixed32, wireLengthDelimited, wireVarint } from './proto-reader.ts';
import { ProtoWriter } from './proto-writer.ts';

/** Maps within maps, the deepest messages there are, may nest this deep. */
export const messageDepthMax = 64;
/** Fields of one message of a request, known or not, each item of a repeated one and each packed number counted. */
export const requestFieldsMax = 100_000;

type Values = Record<string, unknown>;

/** Throws `DecodeError`. `slice` fields are views into `bytes`. */
export function decodeMessage<T>(
  type: MessageType<T>,
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): T {
  return decodeFields(type, new ProtoReader(bytes, start, end), 0, Number.POSITIVE_INFINITY) as T;
}

/**
 * As `decodeMessage`, of bytes from whoever may connect: two bytes of an empty item become a hundred of memory, so their
 * number is bounded.
 */
export function decodeRequest<T>(type: MessageType<T>, bytes: Uint8Array, start: number, end: number): T {
  return decodeFields(type, new ProtoReader(bytes, start, end), 0, requestFieldsMax) as T;
}

/** The body, without length and code. */
export function encodeMessage<T>(type: MessageType<T>, message: Encodable<T>): Buffer {
  const writer = new ProtoWriter();
  writeFields(writer, type, message as Values);
  return writer.take();
}

/** Appends a whole frame: length, code, body. */
export function writeFrame<T>(writer: ProtoWriter, type: FrameType<T>, message: Encodable<T>): void {
  const start = writer.length;
  writer.uint32BE(0);
  writer.byte(type.code);
  writeFields(writer, type, message as Values);
  writer.patchUint32BE(start, writer.length - start - 4);
}

export function encodeFrame<T>(type: FrameType<T>, message: Encodable<T>): Buffer {
  const writer = new ProtoWriter();
  writeFrame(writer, type, message);
  return writer.take();
}

function decodeFields(
  type: MessageType<unknown>,
  reader: ProtoReader,
  depth: number,
  fieldsMax: number,
): Values {
  if (depth > messageDepthMax) throw new DecodeError('messages nested too deep');
  const values: Values = {};
  for (const field of type.fields) if (field.label === 'repeated') values[field.name] = [];
  let left = fieldsMax;
  while (!reader.atEnd) {
    if (left === 0) throw tooManyFields(fieldsMax);
    left -= 1;
    const tag = reader.tag();
    const field = type.byNumber[tag >>> 3];
    if (field === undefined) reader.skip(tag);
    else if (field.label === 'repeated' && isPacked(field, tag & 7))
      left = readPacked(field, reader, values[field.name] as unknown[], left, fieldsMax);
    else {
      const value = readValue(field, tag & 7, reader, depth, fieldsMax);
      if (field.label === 'repeated') (values[field.name] as unknown[]).push(value);
      else values[field.name] = value;
    }
  }
  for (const field of type.fields) {
    if (field.label === 'required' && values[field.name] === undefined) {
      throw new DecodeError(`${type.name} without ${field.name}`);
    }
  }
  return values;
}

function tooManyFields(fieldsMax: number): DecodeError {
  return new DecodeError(`more than ${fieldsMax} fields in a message`);
}

/** Numbers that follow each other without tags. */
function isPacked(field: NamedField, wire: number): boolean {
  return wire === wireLengthDelimited && wireTypeOf(field) !== wireLengthDelimited;
}

/** Returns how many fields the message may have behind them. */
function readPacked(
  field: NamedField,
  reader: ProtoReader,
  items: unknown[],
  fieldsLeft: number,
  fieldsMax: number,
): number {
  const { start, end } = lengthDelimited(reader);
  const packed = new ProtoReader(reader.bytes, start, end);
  let left = fieldsLeft;
  for (; !packed.atEnd; left -= 1) {
    if (left === 0) throw tooManyFields(fieldsMax);
    items.push(readScalar(field.kind as ScalarKind, packed));
  }
  return left;
}

function readValue(
  field: NamedField,
  wire: number,
  reader: ProtoReader,
  depth: number,
  fieldsMax: number,
): unknown {
  if (wire !== wireTypeOf(field)) throw new DecodeError(`wrong wire type in field ${field.name}`);
  const { kind } = field;
  if (typeof kind === 'string') return readScalar(kind, reader);
  const { start, end } = lengthDelimited(reader);
  return decodeFields(messageOf(kind), new ProtoReader(reader.bytes, start, end), depth + 1, fieldsMax);
}

function readScalar(kind: ScalarKind, reader: ProtoReader): unknown {
  switch (kind) {
    case 'uint32':
      return reader.uint32();
    case 'bool':
      return reader.bool();
    case 'uint64':
      return reader.uint64();
    case 'int64':
      return BigInt.asIntN(64, reader.uint64());
    case 'sint64': {
      const zigzag = reader.uint64();
      return (zigzag >> 1n) ^ -(zigzag & 1n);
    }
    case 'float':
      return reader.float();
    case 'name': {
      const { start, end } = lengthDelimited(reader);
      return byteStringOf(reader.bytes, start, end);
    }
    case 'slice': {
      const { start, end } = lengthDelimited(reader);
      const { buffer, byteOffset } = reader.bytes;
      return Buffer.from(buffer, byteOffset + start, end - start);
    }
    default:
      return unreachable(kind);
  }
}

function lengthDelimited(reader: ProtoReader): { readonly start: number; readonly end: number } {
  const length = reader.length();
  const start = reader.position;
  reader.position = start + length;
  return { start, end: start + length };
}

function writeFields(writer: ProtoWriter, type: MessageType<unknown>, values: Values): void {
  for (const field of type.fields) {
    const value = values[field.name];
    if (value === undefined) assert(field.label !== 'required', `${type.name} is given ${field.name}`);
    else if (field.label === 'repeated')
      for (const item of value as unknown[]) writeValue(writer, field, item);
    else writeValue(writer, field, value);
  }
}

function writeValue(writer: ProtoWriter, field: NamedField, value: unknown): void {
  writer.varint(field.number * 8 + wireTypeOf(field));
  if (typeof field.kind === 'string') {
    writeScalar(writer, field.kind, value);
    return;
  }
  const start = writer.length;
  writeFields(writer, messageOf(field.kind), value as Values);
  writer.prefixLength(start);
}

function writeScalar(writer: ProtoWriter, kind: ScalarKind, value: unknown): void {
  switch (kind) {
    case 'uint32':
      writer.varint(value as number);
      return;
    case 'bool':
      writer.byte(value === true ? 1 : 0);
      return;
    case 'uint64':
    case 'int64':
      writer.varint64(value as bigint);
      return;
    case 'sint64':
      writer.varint64(((value as bigint) << 1n) ^ ((value as bigint) >> 63n));
      return;
    case 'float':
      writer.float(value as number);
      return;
    case 'name':
      writer.byteString(value as ByteString);
      return;
    case 'slice':
      writer.bytes(value as Uint8Array);
      return;
    default:
      unreachable(kind);
  }
}

function messageOf(kind: MessageType<unknown> | LazyMessage<unknown>): MessageType<unknown> {
  return 'lazy' in kind ? kind.lazy() : kind;
}

function wireTypeOf(field: NamedField): number {
  switch (field.kind) {
    case 'uint32':
    case 'bool':
    case 'sint64':
    case 'int64':
    case 'uint64':
      return wireVarint;
    case 'float':
      return wireFixed32;
    default:
      return wireLengthDelimited;
  }
}
