/**
 * Exchange messages in bytes. Version 1, numbers big-endian:
 *
 *     request  01  kind(1)  id(4)  ring epoch(8)  placements(4)  first(2)  n_val(2)  near(2)  far(2)  body
 *     reply    01  kind(1)  id(4)  body
 *
 * Nothing here may trust a length: what is cut, left over or out of bounds is undefined.
 */
import { Buffer } from 'node:buffer';
import { type Partition, ringSizeMax } from '../../core/ring/index.ts';
import {
  Hash64,
  levelBytes,
  readLevel,
  SegmentSet,
  segmentSetWords,
  writeLevel,
} from '../../merkle/index.ts';
import { unreachable } from '../../stdx/index.ts';
import { versionDigestBytes } from '../object/index.ts';
import {
  type ExchangeQuestion,
  type ExchangeReply,
  type ExchangeRequest,
  refusals,
} from './exchange-message.ts';
import { type ListedKey, listingPairsMax } from './segment-listing.ts';

const version = 1;
const kinds = { top: 1, leaves: 2, list: 3, verify: 4 } as const;
const replyKinds = { same: 17, top: 18, leaves: 19, list: 20, refused: 21 } as const;
const replyHeadBytes = 1 + 1 + 4;
const requestHeadBytes = replyHeadBytes + 8 + 4 + 4 * 2;
const setBytes = 4 * segmentSetWords;

export interface Identified<T> {
  readonly id: number;
  readonly message: T;
}

/** Whether the bytes are a reply and not a request. */
export function isReply(bytes: Buffer): boolean {
  return bytes.length >= replyHeadBytes && bytes[1]! >= replyKinds.same;
}

export function encodeRequest(id: number, { pair, fence, question }: ExchangeRequest): Buffer {
  const body = encodeQuestion(question);
  const bytes = Buffer.allocUnsafe(requestHeadBytes + body.length);
  bytes[0] = version;
  bytes[1] = kinds[question.kind];
  let at = bytes.writeUInt32BE(id, 2);
  at = bytes.writeBigUInt64BE(BigInt(fence.ringEpoch), at);
  at = bytes.writeUInt32BE(fence.placements, at);
  for (const number of [pair.first, pair.nVal, pair.near, pair.far]) at = bytes.writeUInt16BE(number, at);
  body.copy(bytes, at);
  return bytes;
}

export function decodeRequest(bytes: Buffer): Identified<ExchangeRequest> | undefined {
  if (bytes.length < requestHeadBytes || bytes[0] !== version) return undefined;
  const ringEpoch = Number(bytes.readBigUInt64BE(6));
  const [first, nVal, near, far] = [18, 20, 22, 24].map((at) => bytes.readUInt16BE(at)) as [
    Partition,
    number,
    Partition,
    Partition,
  ];
  if (!Number.isSafeInteger(ringEpoch) || Math.max(first, near, far) >= ringSizeMax) return undefined;
  const question = decodeQuestion(bytes[1]!, bytes.subarray(requestHeadBytes));
  if (question === undefined) return undefined;
  const fence = { ringEpoch, placements: bytes.readUInt32BE(14) };
  return { id: bytes.readUInt32BE(2), message: { pair: { first, nVal, near, far }, fence, question } };
}

function encodeQuestion(question: ExchangeQuestion): Buffer {
  switch (question.kind) {
    case 'top': {
      const body = Buffer.allocUnsafe(8);
      body.writeUInt32BE(question.root.high, 0);
      body.writeUInt32BE(question.root.low, 4);
      return body;
    }
    case 'leaves': {
      const body = Buffer.allocUnsafe(4);
      body.writeUInt32BE(question.branches, 0);
      return body;
    }
    case 'list': {
      const set = Buffer.allocUnsafe(setBytes);
      question.segments.words.forEach((word, i) => {
        set.writeUInt32BE(word, 4 * i);
      });
      return Buffer.concat([set, encodeBound(question.after)]);
    }
    case 'verify':
      return Buffer.alloc(0);
    default:
      return unreachable(question);
  }
}

function decodeQuestion(kind: number, body: Buffer): ExchangeQuestion | undefined {
  switch (kind) {
    case kinds.top:
      if (body.length !== 8) return undefined;
      return { kind: 'top', root: Hash64.of(body.readUInt32BE(0), body.readUInt32BE(4)) };
    case kinds.leaves:
      return body.length === 4 ? { kind: 'leaves', branches: body.readUInt32BE(0) } : undefined;
    case kinds.list: {
      if (body.length < setBytes) return undefined;
      const words = new Uint32Array(segmentSetWords).map((_, i) => body.readUInt32BE(4 * i));
      const after = decodeBound(body.subarray(setBytes));
      return after && { kind: 'list', segments: new SegmentSet(words), after: after.bound };
    }
    case kinds.verify:
      return body.length === 0 ? { kind: 'verify' } : undefined;
    default:
      return undefined;
  }
}

export function encodeReply(id: number, reply: ExchangeReply): Buffer {
  const head = Buffer.allocUnsafe(replyHeadBytes);
  head[0] = version;
  head[1] = replyKinds[reply.kind];
  head.writeUInt32BE(id, 2);
  return Buffer.concat([head, ...replyBody(reply)]);
}

function replyBody(reply: ExchangeReply): readonly Buffer[] {
  switch (reply.kind) {
    case 'same':
      return [];
    case 'top':
      return [encodeLevel(reply.hashes)];
    case 'leaves':
      return reply.levels.map(encodeLevel);
    case 'list': {
      const pairs = reply.slice.pairs.map(({ key, digest }) => Buffer.concat([lengthOf(key), key, digest]));
      const count = Buffer.allocUnsafe(2);
      count.writeUInt16BE(pairs.length, 0);
      return [count, ...pairs, encodeBound(reply.slice.upTo)];
    }
    case 'refused':
      return [Buffer.from([refusals.indexOf(reply.refusal)])];
    default:
      return unreachable(reply);
  }
}

/** `body` of the result are copies: they outlive `bytes`. */
export function decodeReply(bytes: Buffer): Identified<ExchangeReply> | undefined {
  if (!isReply(bytes) || bytes[0] !== version) return undefined;
  const message = decodeReplyBody(bytes[1]!, bytes.subarray(replyHeadBytes));
  return message && { id: bytes.readUInt32BE(2), message };
}

function decodeReplyBody(kind: number, body: Buffer): ExchangeReply | undefined {
  switch (kind) {
    case replyKinds.same:
      return body.length === 0 ? { kind: 'same' } : undefined;
    case replyKinds.top:
      return body.length === levelBytes ? { kind: 'top', hashes: readLevel(body, 0) } : undefined;
    case replyKinds.leaves: {
      if (body.length % levelBytes !== 0 || body.length > 32 * levelBytes) return undefined;
      const count = body.length / levelBytes;
      const levels = Array.from({ length: count }, (_, i) => readLevel(body, i * levelBytes));
      return { kind: 'leaves', levels };
    }
    case replyKinds.list:
      return decodeList(body);
    case replyKinds.refused: {
      const refusal = body.length === 1 ? refusals[body[0]!] : undefined;
      return refusal && { kind: 'refused', refusal };
    }
    default:
      return undefined;
  }
}

function decodeList(body: Buffer): ExchangeReply | undefined {
  if (body.length < 2) return undefined;
  const count = body.readUInt16BE(0);
  if (count > listingPairsMax) return undefined;
  const pairs: ListedKey[] = [];
  let at = 2;
  for (let i = 0; i < count; i += 1) {
    if (at + 4 > body.length) return undefined;
    const keyEnd = at + 4 + body.readUInt32BE(at);
    if (keyEnd + versionDigestBytes > body.length) return undefined;
    const key = Buffer.from(body.subarray(at + 4, keyEnd));
    const digest = Buffer.from(body.subarray(keyEnd, keyEnd + versionDigestBytes));
    if (i > 0 && pairs[i - 1]!.key.compare(key) >= 0) return undefined;
    pairs.push({ key, digest });
    at = keyEnd + versionDigestBytes;
  }
  const upTo = decodeBound(body.subarray(at));
  return upTo && { kind: 'list', slice: { pairs, upTo: upTo.bound } };
}

function encodeLevel(level: Uint32Array): Buffer {
  const bytes = Buffer.allocUnsafe(levelBytes);
  writeLevel(level, bytes, 0);
  return bytes;
}

/** Takes all that is left of a message; nothing at all stands for undefined, since no key is empty. */
function encodeBound(bound: Buffer | undefined): Buffer {
  return bound ?? Buffer.alloc(0);
}

function decodeBound(bytes: Buffer): { readonly bound: Buffer | undefined } {
  return { bound: bytes.length === 0 ? undefined : Buffer.from(bytes) };
}

function lengthOf(key: Buffer): Buffer {
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(key.length, 0);
  return length;
}
