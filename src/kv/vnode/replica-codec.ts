/**
 * Requests to replicas and their replies, as bytes. Hand-made: a get or a put is a few numbers, the key as the
 * storage has it, and the stored form of an object, copied.
 *
 *   request: 1 byte format · 1 byte kind · 1 byte flags · varint key length · key · rest by kind
 *     get         8 bytes digest if flagged
 *     put         the object
 *     reap        varint first partition · varint n · the object
 *     coordinate  varints (rules, timeout) · varint context length · context · the content
 *     delta       the delta
 *   reply: 1 byte format · 1 byte kind · rest by kind
 *
 * Varints and stored forms have one encoding each, and nothing may be left over: so equal messages have equal
 * bytes, and what was cut is refused. Nothing here may trust a length.
 */
import { Buffer } from 'node:buffer';
import { VersionVector } from '../../clocks/index.ts';
import { type Partition, ringSizeMax } from '../../core/ring/index.ts';
import type { VnodeCodec } from '../../core/vnode/index.ts';
import { readVarint, unreachable, varintSize, writeVarint } from '../../stdx/index.ts';
import { ContentError, validateContent } from '../../wire/index.ts';
import { decodeDatatypeWrite, readDelta } from '../datatype/index.ts';
import { ObjectFormatError, VersionedObject, versionDigestBytes } from '../object/index.ts';
import { errorBytes, readError, writeError } from './error-codec.ts';
import { ObjectKey } from './object-key.ts';
import type { ReplicaCoordinate, ReplicaReply, ReplicaRequest, WriteRules } from './replica-protocol.ts';

const format = 1;
const requestHeadBytes = 3;
const replyHeadBytes = 2;

const requestKind = { get: 1, put: 2, reap: 3, coordinate: 4, delta: 5 } as const;
const replyKind = {
  object: 1,
  same: 2,
  digest: 3,
  notfound: 4,
  accepted: 5,
  stored: 6,
  coordinated: 7,
  declined: 8,
  failed: 9,
  moved: 10,
  unanswered: 11,
  behind: 12,
} as const;

const getDigest = 1;
const getUnless = 2;
const putSynced = 1;
const putRepair = 2;
const putAnnounce = 4;
const putFenced = 8;
const coordinateWantsObject = 1;
const coordinateSloppy = 2;
const coordinateSynced = 4;
const coordinateAllowMult = 8;
const coordinateLastWriteWins = 16;
const coordinateBucketOnly = 32;
const coordinateUpdate = 64;
const deltaSynced = 1;
const deltaAnnounce = 2;

const conditions = ['none', 'absent', 'unmodified'] as const;
const syncsOnWrite = ['backend', 'one', 'all'] as const;
const capPolicies = ['none', 'later', 'lww', 'union'] as const;
const unansweredReasons = ['unreachable', 'overload', 'timeout'] as const;

export const replicaCodec: VnodeCodec<ReplicaRequest, ReplicaReply> = {
  requestBytes(request) {
    const keyLength = request.key.encodedBytes;
    return requestHeadBytes + varintSize(keyLength) + keyLength + requestRestBytes(request);
  },

  writeRequest(request, into, at) {
    into[at] = format;
    into[at + 1] = requestKind[request.kind];
    into[at + 2] = flagsOf(request);
    const keyAt = writeVarint(into, at + requestHeadBytes, request.key.encodedBytes);
    writeRequestRest(request, into, request.key.encodeInto(into, keyAt));
  },

  readRequest(body) {
    if (body.length < requestHeadBytes || body[0] !== format) return undefined;
    const keyLength = readVarint(body, requestHeadBytes, body.length);
    if (keyLength < 0) return undefined;
    const keyAt = requestHeadBytes + varintSize(keyLength);
    if (keyLength > body.length - keyAt) return undefined;
    const key = ObjectKey.decode(body, keyAt, keyAt + keyLength);
    return key === undefined ? undefined : readRequestRest(body, key, keyAt + keyLength);
  },

  replyBytes(reply) {
    return replyHeadBytes + replyRestBytes(reply);
  },

  writeReply(reply, into, at) {
    into[at] = format;
    into[at + 1] = replyKind[reply.kind];
    writeReplyRest(reply, into, at + replyHeadBytes);
  },

  readReply(body) {
    if (body.length < replyHeadBytes || body[0] !== format) return undefined;
    return readReplyRest(body, replyHeadBytes);
  },

  isLast: (reply) => reply.kind !== 'accepted',
  unanswered: (reason) => ({ kind: 'unanswered', reason }),
  moved: (epoch) => ({ kind: 'moved', epoch }),
};

function requestRestBytes(request: ReplicaRequest): number {
  switch (request.kind) {
    case 'get':
      return request.unless === undefined ? 0 : versionDigestBytes;
    case 'put':
      return request.object.sizeBytes;
    case 'reap':
      return varintSize(request.first) + varintSize(request.n) + request.tombstone.sizeBytes;
    case 'coordinate': {
      let bytes = request.content.length;
      for (const number of numbersOf(request)) bytes += varintSize(number);
      const contextLength = request.context.encode().length;
      return bytes + varintSize(contextLength) + contextLength;
    }
    case 'delta':
      return request.delta.bytes.length;
    default:
      return unreachable(request);
  }
}

function flagsOf(request: ReplicaRequest): number {
  switch (request.kind) {
    case 'get':
      return (request.want === 'digest' ? getDigest : 0) | (request.unless === undefined ? 0 : getUnless);
    case 'put':
      return (
        (request.durability === 'synced' ? putSynced : 0) |
        (request.purpose === 'repair' ? putRepair : request.purpose === 'fenced' ? putFenced : 0) |
        (request.announce ? putAnnounce : 0)
      );
    case 'reap':
      return 0;
    case 'coordinate': {
      const { wantsObject, rules } = request;
      return (
        (wantsObject ? coordinateWantsObject : 0) |
        (rules.sloppyQuorum ? coordinateSloppy : 0) |
        (rules.durability === 'synced' ? coordinateSynced : 0) |
        (rules.allowMult ? coordinateAllowMult : 0) |
        (rules.lastWriteWins ? coordinateLastWriteWins : 0) |
        (rules.bucketOnly ? coordinateBucketOnly : 0) |
        (request.isUpdate ? coordinateUpdate : 0)
      );
    }
    case 'delta':
      return (request.durability === 'synced' ? deltaSynced : 0) | (request.announce ? deltaAnnounce : 0);
    default:
      return unreachable(request);
  }
}

function writeRequestRest(request: ReplicaRequest, into: Buffer, start: number): void {
  switch (request.kind) {
    case 'get':
      request.unless?.copy(into, start);
      return;
    case 'put':
      request.object.bytes.copy(into, start);
      return;
    case 'reap':
      request.tombstone.bytes.copy(
        into,
        writeVarint(into, writeVarint(into, start, request.first), request.n),
      );
      return;
    case 'coordinate': {
      let at = start;
      for (const number of numbersOf(request)) at = writeVarint(into, at, number);
      const context = request.context.encode();
      at = writeVarint(into, at, context.length);
      request.content.copy(into, at + context.copy(into, at));
      return;
    }
    case 'delta':
      request.delta.bytes.copy(into, start);
      return;
    default:
      unreachable(request);
  }
}

function readRequestRest(body: Buffer, key: ObjectKey, start: number): ReplicaRequest | undefined {
  const flags = body[2]!;
  switch (body[1]) {
    case requestKind.get:
      return readGet(body, key, flags, start);
    case requestKind.put: {
      const object = readObject(body, start);
      if (object === undefined || !isPutFlags(flags)) return undefined;
      return {
        kind: 'put',
        key,
        object,
        durability: (flags & putSynced) === 0 ? 'os' : 'synced',
        purpose: (flags & putRepair) !== 0 ? 'repair' : (flags & putFenced) === 0 ? 'write' : 'fenced',
        announce: (flags & putAnnounce) !== 0,
      };
    }
    case requestKind.reap: {
      const first = readVarint(body, start, body.length);
      const nAt = start + varintSize(Math.max(0, first));
      const n = first < 0 ? -1 : readVarint(body, nAt, body.length);
      if (flags !== 0 || n < 1 || n > ringSizeMax || first >= ringSizeMax) return undefined;
      const tombstone = readObject(body, nAt + varintSize(n));
      return tombstone === undefined
        ? undefined
        : { kind: 'reap', key, tombstone, first: first as Partition, n };
    }
    case requestKind.coordinate:
      return readCoordinate(body, key, flags, start);
    case requestKind.delta: {
      const delta = readDelta(Buffer.from(body.subarray(start)));
      if (delta === undefined || flags > (deltaSynced | deltaAnnounce)) return undefined;
      return {
        kind: 'delta',
        key,
        delta,
        durability: (flags & deltaSynced) === 0 ? 'os' : 'synced',
        announce: (flags & deltaAnnounce) !== 0,
      };
    }
    default:
      return undefined;
  }
}

function isPutFlags(flags: number): boolean {
  const both = putRepair | putFenced;
  return flags < putFenced * 2 && (flags & both) !== both;
}

function readGet(body: Buffer, key: ObjectKey, flags: number, start: number): ReplicaRequest | undefined {
  const unlessBytes = (flags & getUnless) === 0 ? 0 : versionDigestBytes;
  if (flags > (getDigest | getUnless) || body.length !== start + unlessBytes) return undefined;
  return {
    kind: 'get',
    key,
    ...((flags & getDigest) === 0 ? undefined : { want: 'digest' }),
    ...(unlessBytes === 0 ? undefined : { unless: Buffer.from(body.subarray(start)) }),
  };
}

/** The numbers of a forwarded write, in the order in which they travel. */
function numbersOf({ condition, rules, timeoutMs }: ReplicaCoordinate): readonly number[] {
  const { smallVclock, bigVclock, youngVclock, oldVclock } = rules.prune;
  return [
    conditions.indexOf(condition),
    syncsOnWrite.indexOf(rules.syncOnWrite),
    Math.ceil(timeoutMs),
    rules.n,
    rules.w,
    rules.dw,
    rules.pw,
    rules.nodeConfirms,
    smallVclock,
    bigVclock,
    youngVclock,
    oldVclock,
    rules.cap?.siblingsMax ?? 0,
    rules.cap === undefined ? 0 : capPolicies.indexOf(rules.cap.policy),
    rules.serialised ? 1 : 0,
  ];
}
const numberCount = 15;

function readCoordinate(
  body: Buffer,
  key: ObjectKey,
  flags: number,
  start: number,
): ReplicaCoordinate | undefined {
  const numbers: number[] = [];
  let at = start;
  for (let i = 0; i <= numberCount; i += 1) {
    const number = readVarint(body, at, body.length);
    if (number < 0) return undefined;
    numbers.push(number);
    at += varintSize(number);
  }
  const contentAt = at + numbers[numberCount];
  if (contentAt > body.length || flags >= coordinateUpdate * 2) return undefined;
  const context = VersionVector.decode(body.subarray(at, contentAt));
  const condition = conditions[numbers[0]];
  const rules = readRules(numbers, flags);
  if (context === undefined || condition === undefined || rules === undefined) return undefined;
  const content = Buffer.from(body.subarray(contentAt));
  const isUpdate = (flags & coordinateUpdate) !== 0;
  const isWhole = isUpdate ? decodeDatatypeWrite(content) !== undefined : isContent(content);
  if (contentAt === at || !isWhole) return undefined;
  const wantsObject = (flags & coordinateWantsObject) !== 0;
  const timeoutMs = numbers[2];
  return { kind: 'coordinate', key, context, content, isUpdate, condition, rules, timeoutMs, wantsObject };
}

function readRules(numbers: readonly number[], flags: number): WriteRules | undefined {
  const syncOnWrite = syncsOnWrite[numbers[1]];
  const [n, w, dw, pw, nodeConfirms, smallVclock, bigVclock, youngVclock, oldVclock, ...ofBucket] =
    numbers.slice(3);
  if (syncOnWrite === undefined || n < 1 || n > ringSizeMax) return undefined;
  const [siblingsMax, policyAt, serialised] = ofBucket;
  const policy = capPolicies[policyAt];
  if (policy === undefined || serialised > 1 || (siblingsMax === 0 && policyAt > 0)) return undefined;
  return {
    n,
    w,
    dw,
    pw,
    nodeConfirms,
    sloppyQuorum: (flags & coordinateSloppy) !== 0,
    syncOnWrite,
    durability: (flags & coordinateSynced) === 0 ? 'os' : 'synced',
    allowMult: (flags & coordinateAllowMult) !== 0,
    lastWriteWins: (flags & coordinateLastWriteWins) !== 0,
    prune: { smallVclock, bigVclock, youngVclock, oldVclock },
    cap: siblingsMax === 0 ? undefined : { siblingsMax, policy },
    serialised: serialised === 1,
    bucketOnly: (flags & coordinateBucketOnly) !== 0,
  };
}

function isContent(bytes: Buffer): boolean {
  try {
    validateContent(bytes);
    return true;
  } catch (error) {
    if (error instanceof ContentError) return false;
    throw error;
  }
}

/** The rest of a body, which is valid only during the call. */
function readObject(body: Buffer, start: number): VersionedObject | undefined {
  try {
    return VersionedObject.decode(Buffer.from(body.subarray(start)));
  } catch (error) {
    if (error instanceof ObjectFormatError) return undefined;
    throw error;
  }
}

function replyRestBytes(reply: ReplicaReply): number {
  switch (reply.kind) {
    case 'object':
      return reply.object.sizeBytes;
    case 'coordinated':
      return reply.object?.sizeBytes ?? 0;
    case 'digest':
      return versionDigestBytes;
    case 'failed':
      return 1 + errorBytes(reply.error);
    case 'moved':
      return varintSize(reply.epoch);
    case 'unanswered':
      return 1;
    case 'same':
    case 'notfound':
    case 'accepted':
    case 'stored':
    case 'declined':
    case 'behind':
      return 0;
    default:
      return unreachable(reply);
  }
}

function writeReplyRest(reply: ReplicaReply, into: Buffer, at: number): void {
  switch (reply.kind) {
    case 'object':
      reply.object.bytes.copy(into, at);
      return;
    case 'coordinated':
      reply.object?.bytes.copy(into, at);
      return;
    case 'digest':
      reply.digest.copy(into, at);
      return;
    case 'failed':
      into[at] = reply.damaged === undefined ? 0 : reply.damaged ? 2 : 1;
      writeError(reply.error, into, at + 1);
      return;
    case 'moved':
      writeVarint(into, at, reply.epoch);
      return;
    case 'unanswered':
      into[at] = unansweredReasons.indexOf(reply.reason);
      return;
    case 'same':
    case 'notfound':
    case 'accepted':
    case 'stored':
    case 'declined':
    case 'behind':
      return;
    default:
      unreachable(reply);
  }
}

function readReplyRest(body: Buffer, start: number): ReplicaReply | undefined {
  const isBare = body.length === start;
  switch (body[1]) {
    case replyKind.object: {
      const object = readObject(body, start);
      return object === undefined ? undefined : { kind: 'object', object };
    }
    case replyKind.coordinated: {
      if (isBare) return { kind: 'coordinated', object: undefined };
      const object = readObject(body, start);
      return object === undefined ? undefined : { kind: 'coordinated', object };
    }
    case replyKind.digest:
      if (body.length !== start + versionDigestBytes) return undefined;
      return { kind: 'digest', digest: Buffer.from(body.subarray(start)) };
    case replyKind.failed:
      return readFailed(body, start);
    case replyKind.moved: {
      const epoch = readVarint(body, start, body.length);
      return epoch < 0 || start + varintSize(epoch) !== body.length ? undefined : { kind: 'moved', epoch };
    }
    case replyKind.unanswered: {
      const reason = unansweredReasons[body[start] ?? -1];
      return reason === undefined || body.length !== start + 1 ? undefined : { kind: 'unanswered', reason };
    }
    case replyKind.same:
      return isBare ? { kind: 'same' } : undefined;
    case replyKind.notfound:
      return isBare ? { kind: 'notfound' } : undefined;
    case replyKind.accepted:
      return isBare ? { kind: 'accepted' } : undefined;
    case replyKind.stored:
      return isBare ? { kind: 'stored' } : undefined;
    case replyKind.declined:
      return isBare ? { kind: 'declined' } : undefined;
    case replyKind.behind:
      return isBare ? { kind: 'behind' } : undefined;
    default:
      return undefined;
  }
}

function readFailed(body: Buffer, start: number): ReplicaReply | undefined {
  const damaged = body[start];
  const error = readError(body, start + 1, body.length);
  if (error === undefined || damaged === undefined || damaged > 2) return undefined;
  return damaged === 0 ? { kind: 'failed', error } : { kind: 'failed', error, damaged: damaged === 2 };
}
