/** Messages as bytes: a version, a code, then the fields in the order of `message.ts`. */
import type { Buffer } from 'node:buffer';
import { FieldReader, FieldWriter, unreachable } from '../../stdx/index.ts';
import type { Message, MessageKind } from '../message.ts';
import {
  readEntry,
  readPosition,
  readSnapshotMark,
  writeEntry,
  writePosition,
  writeSnapshotMark,
} from './record-codec.ts';

const version = 1;

/** Never reused for something else. */
const codes: { readonly [Kind in MessageKind]: number } = {
  'pre-vote-request': 1,
  'pre-vote-reply': 2,
  'vote-request': 3,
  'vote-reply': 4,
  append: 5,
  'append-accepted': 6,
  'append-refused': 7,
  heartbeat: 8,
  'heartbeat-reply': 9,
  'timeout-now': 10,
  'snapshot-offer': 11,
  pull: 12,
  'pull-reply': 13,
  'pull-snapshot': 14,
  'snapshot-pull': 15,
  'snapshot-chunk': 16,
};

const kinds: ReadonlyMap<number, MessageKind> = new Map(
  (Object.keys(codes) as MessageKind[]).map((kind) => [codes[kind], kind]),
);

export function encodeMessage(message: Message): Buffer {
  const writer = new FieldWriter();
  writer.number(version);
  writer.number(codes[message.kind]);
  if ('term' in message) writer.number(message.term);
  writeFields(writer, message);
  return writer.finish();
}

/** Undefined if the bytes are no message of a version that this code knows. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== version) return undefined;
  const kind = kinds.get(reader.number());
  if (kind === undefined) return undefined;
  const message = readFields(reader, kind);
  return reader.isWhole ? message : undefined;
}

function writeFields(writer: FieldWriter, message: Message): void {
  switch (message.kind) {
    case 'pre-vote-request':
      writePosition(writer, message.last);
      break;
    case 'pre-vote-reply':
      writer.number(message.asked);
      writer.flag(message.isGranted);
      writePosition(writer, message.last);
      break;
    case 'vote-request':
      writePosition(writer, message.last);
      writer.flag(message.isTransfer);
      break;
    case 'vote-reply':
      writer.flag(message.isGranted);
      break;
    case 'append':
      writePosition(writer, message.previous);
      writer.list(message.entries, (entry) => writeEntry(writer, entry));
      writer.number(message.commit);
      break;
    case 'append-accepted':
      writer.number(message.match);
      writer.flag(message.isJoining);
      break;
    case 'append-refused':
      writer.number(message.previousIndex);
      writePosition(writer, message.hint);
      writer.flag(message.isJoining);
      break;
    case 'heartbeat':
      writer.number(message.commit);
      writer.number(message.round);
      break;
    case 'heartbeat-reply':
      writer.number(message.round);
      break;
    case 'timeout-now':
      break;
    case 'snapshot-offer':
      writeSnapshotMark(writer, message.snapshot);
      break;
    case 'pull':
      writePosition(writer, message.previous);
      break;
    case 'pull-reply':
      writePosition(writer, message.previous);
      writer.list(message.entries, (entry) => writeEntry(writer, entry));
      writer.number(message.commit);
      writePosition(writer, message.last);
      break;
    case 'pull-snapshot':
      writeSnapshotMark(writer, message.snapshot);
      writePosition(writer, message.last);
      break;
    case 'snapshot-pull':
      writePosition(writer, message.place);
      writer.number(message.offset);
      break;
    case 'snapshot-chunk':
      writePosition(writer, message.place);
      writer.number(message.offset);
      writer.bytes(message.bytes);
      writer.flag(message.isLast);
      break;
    default:
      unreachable(message);
  }
}

/** Properties are evaluated in the order in which they stand: that of the fields. */
function readFields(reader: FieldReader, kind: MessageKind): Message {
  const number = (): number => reader.number();
  const flag = (): boolean => reader.flag();
  const position = () => readPosition(reader);
  const entries = () => reader.list(() => readEntry(reader));
  switch (kind) {
    case 'pre-vote-request':
      return { kind, term: number(), last: position() };
    case 'pre-vote-reply':
      return { kind, term: number(), asked: number(), isGranted: flag(), last: position() };
    case 'vote-request':
      return { kind, term: number(), last: position(), isTransfer: flag() };
    case 'vote-reply':
      return { kind, term: number(), isGranted: flag() };
    case 'append':
      return { kind, term: number(), previous: position(), entries: entries(), commit: number() };
    case 'append-accepted':
      return { kind, term: number(), match: number(), isJoining: flag() };
    case 'append-refused':
      return { kind, term: number(), previousIndex: number(), hint: position(), isJoining: flag() };
    case 'heartbeat':
      return { kind, term: number(), commit: number(), round: number() };
    case 'heartbeat-reply':
      return { kind, term: number(), round: number() };
    case 'timeout-now':
      return { kind, term: number() };
    case 'snapshot-offer':
      return { kind, term: number(), snapshot: readSnapshotMark(reader) };
    case 'pull':
      return { kind, previous: position() };
    case 'pull-reply':
      return { kind, previous: position(), entries: entries(), commit: number(), last: position() };
    case 'pull-snapshot':
      return { kind, snapshot: readSnapshotMark(reader), last: position() };
    case 'snapshot-pull':
      return { kind, place: position(), offset: number() };
    case 'snapshot-chunk':
      return { kind, place: position(), offset: number(), bytes: reader.bytes(), isLast: flag() };
    default:
      return unreachable(kind);
  }
}
