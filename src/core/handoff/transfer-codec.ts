/**
 * Transfer messages as bytes: version, kind, fields as varints and length-prefixed bytes. A batch carries the
 * CRC-32 of everything before it in the message: TCP's own checksum is too weak for terabytes.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { FieldReader, FieldWriter, unreachable, varintSize } from '../../stdx/index.ts';
import { type Partition, ringSizeMax } from '../ring/index.ts';
import type {
  TransferId,
  TransferMessage,
  TransferPurpose,
  TransferRefusalCode,
} from './transfer-message.ts';

export const transferVersion = 1;

const kinds = ['open', 'accept', 'refuse', 'batch', 'ack', 'end', 'confirm', 'want', 'close'] as const;
const purposes: readonly TransferPurpose[] = ['move', 'stray', 'rebuild'];
const refusalCodes: readonly TransferRefusalCode[] = [
  'busy',
  'behind',
  'misplaced',
  'stranger',
  'full',
  'unknown',
  'storage',
  'damaged',
];
const idBytes = 8;
/** Names and instances. */
const textBytesMax = 1024;
const checksumBytes = 4;
/** Of a batch all but its items: version, kind, id, number, how many, checksum. */
export const batchHeadBytesMax = 32;

export function encodeTransferMessage(message: TransferMessage): Buffer {
  const writer = new FieldWriter();
  writer.number(transferVersion);
  writer.number(kinds.indexOf(message.kind));
  if (message.kind !== 'want') writer.bytes(Buffer.from(message.id, 'hex'));
  writeFields(writer, message);
  const bytes = writer.finish();
  if (message.kind !== 'batch') return bytes;
  const sealed = Buffer.allocUnsafe(bytes.length + checksumBytes);
  bytes.copy(sealed);
  sealed.writeUInt32BE(crc32(bytes), bytes.length);
  return sealed;
}

function writeFields(writer: FieldWriter, message: TransferMessage): void {
  switch (message.kind) {
    case 'open':
      writer.number(purposes.indexOf(message.purpose));
      writer.number(message.partition);
      writer.number(message.source);
      writer.number(message.since);
      writer.text(message.clusterId);
      writer.number(message.generation);
      writer.number(message.epoch);
      writer.text(message.fromInstance);
      writer.text(message.to);
      writer.text(message.toInstance);
      writer.number(message.first);
      return;
    case 'accept':
      writer.text(message.instance);
      writer.number(message.first);
      writer.number(message.next);
      writer.number(message.window);
      return;
    case 'refuse':
      writer.number(refusalCodes.indexOf(message.code));
      writer.text(message.reason.slice(0, textBytesMax / 4));
      return;
    case 'batch':
      writer.number(message.number);
      writer.list(message.items, (item) => writer.bytes(item));
      return;
    case 'ack':
      writer.number(message.next);
      return;
    case 'end':
      writer.number(message.batches);
      writer.number(message.count);
      writer.number(message.hash);
      writer.number(message.unreadable);
      return;
    case 'confirm':
      writer.number(message.count);
      writer.number(message.hash);
      return;
    case 'close':
      return;
    case 'want':
      writer.number(message.partition);
      writer.number(message.source);
      writer.number(message.since);
      writer.number(message.generation);
      writer.number(message.epoch);
      return;
    default:
      unreachable(message);
  }
}

/** What an item adds to its batch. */
export function batchItemBytes(item: Buffer): number {
  return varintSize(item.length) + item.length;
}

export type DecodedTransfer =
  | { readonly kind: 'message'; readonly message: TransferMessage }
  /** A batch whose bytes do not match their checksum. Not even its id can be trusted. */
  | { readonly kind: 'damaged' }
  | { readonly kind: 'malformed' };

const malformed: DecodedTransfer = { kind: 'malformed' };

/** What it returns may be kept: nothing of `body` is in it. */
export function decodeTransferMessage(body: Buffer): DecodedTransfer {
  if (body.length < 2 || body[0] !== transferVersion) return malformed;
  const kind = kinds[body[1]];
  if (kind === undefined) return malformed;
  if (kind !== 'batch') return readMessage(kind, body);
  const end = body.length - checksumBytes;
  if (end < 2) return malformed;
  if (crc32(body.subarray(0, end)) !== body.readUInt32BE(end)) return { kind: 'damaged' };
  return readMessage(kind, body.subarray(0, end));
}

function readMessage(kind: (typeof kinds)[number], body: Buffer): DecodedTransfer {
  const reader = new FieldReader(body);
  reader.number();
  reader.number();
  const message = readFields(reader, kind);
  return reader.isWhole ? { kind: 'message', message } : malformed;
}

function readFields(reader: FieldReader, kind: (typeof kinds)[number]): TransferMessage {
  switch (kind) {
    case 'open':
      return {
        kind,
        id: readId(reader),
        purpose: readWord(reader, purposes),
        partition: readPartition(reader),
        source: readPartition(reader),
        since: reader.number(),
        clusterId: readText(reader),
        generation: reader.number(),
        epoch: reader.number(),
        fromInstance: readText(reader),
        to: readText(reader),
        toInstance: readText(reader),
        first: reader.number(),
      };
    case 'accept':
      return {
        kind,
        id: readId(reader),
        instance: readText(reader),
        first: reader.number(),
        next: reader.number(),
        window: reader.number(),
      };
    case 'refuse':
      return { kind, id: readId(reader), code: readWord(reader, refusalCodes), reason: readText(reader) };
    case 'batch':
      return {
        kind,
        id: readId(reader),
        number: reader.number(),
        items: reader.list(() => reader.bytes()),
      };
    case 'ack':
      return { kind, id: readId(reader), next: reader.number() };
    case 'end':
      return {
        kind,
        id: readId(reader),
        batches: reader.number(),
        count: reader.number(),
        hash: reader.number(),
        unreadable: reader.number(),
      };
    case 'confirm':
      return { kind, id: readId(reader), count: reader.number(), hash: reader.number() };
    case 'close':
      return { kind, id: readId(reader) };
    case 'want':
      return {
        kind,
        partition: readPartition(reader),
        source: readPartition(reader),
        since: reader.number(),
        generation: reader.number(),
        epoch: reader.number(),
      };
    default:
      return unreachable(kind);
  }
}

function readId(reader: FieldReader): TransferId {
  const bytes = reader.bytes();
  if (bytes.length !== idBytes) reader.fail();
  return bytes.toString('hex');
}

function readText(reader: FieldReader): string {
  const text = reader.text();
  if (text.length > textBytesMax) reader.fail();
  return text;
}

function readPartition(reader: FieldReader): Partition {
  const partition = reader.number();
  if (partition >= ringSizeMax) reader.fail();
  return partition as Partition;
}

function readWord<Word>(reader: FieldReader, words: readonly Word[]): Word {
  const word = words[reader.number()];
  if (word === undefined) reader.fail();
  return word ?? words[0];
}
