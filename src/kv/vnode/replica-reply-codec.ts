/** Replies of replicas as bytes; `replica-codec.ts` says what they look like. */
import { Buffer } from 'node:buffer';
import { readVarint, unreachable, varintSize, writeVarint } from '../../stdx/index.ts';
import { versionDigestBytes } from '../object/index.ts';
import { errorBytes, readError, writeError } from './error-codec.ts';
import { type ReplicaReply, replicaFormat } from './replica-protocol.ts';
import { readObject, tailOf, writeObject } from './travelling-object.ts';

/** Format and kind. */
const headBytes = 2;

const kinds = {
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

const unansweredReasons = ['unreachable', 'overload', 'timeout', 'unheard'] as const;

export function replyBytes(reply: ReplicaReply): number {
  return headBytes + restBytes(reply);
}

export function writeReply(reply: ReplicaReply, into: Buffer, at: number): void {
  into[at] = replicaFormat;
  into[at + 1] = kinds[reply.kind];
  writeRest(reply, into, at + headBytes);
}

/** What `writeReply` leaves out. */
export function replyTail(reply: ReplicaReply): Buffer | undefined {
  const isWithObject = reply.kind === 'object' || reply.kind === 'coordinated';
  return isWithObject && reply.object !== undefined ? tailOf(reply.object) : undefined;
}

/** Undefined: it is of another format, or none. */
export function readReply(body: Buffer, mayKeep = false): ReplicaReply | undefined {
  if (body.length < headBytes || body[0] !== replicaFormat) return undefined;
  return readRest(body, headBytes, mayKeep);
}

function restBytes(reply: ReplicaReply): number {
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

function writeRest(reply: ReplicaReply, into: Buffer, at: number): void {
  switch (reply.kind) {
    case 'object':
      writeObject(reply.object, into, at);
      return;
    case 'coordinated':
      if (reply.object !== undefined) writeObject(reply.object, into, at);
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

function readRest(body: Buffer, start: number, mayKeep: boolean): ReplicaReply | undefined {
  const isBare = body.length === start;
  switch (body[1]) {
    case kinds.object: {
      const object = readObject(body, start, mayKeep);
      return object === undefined ? undefined : { kind: 'object', object };
    }
    case kinds.coordinated: {
      if (isBare) return { kind: 'coordinated', object: undefined };
      const object = readObject(body, start, mayKeep);
      return object === undefined ? undefined : { kind: 'coordinated', object };
    }
    case kinds.digest:
      if (body.length !== start + versionDigestBytes) return undefined;
      return { kind: 'digest', digest: Buffer.from(body.subarray(start)) };
    case kinds.failed:
      return readFailed(body, start);
    case kinds.moved: {
      const epoch = readVarint(body, start, body.length);
      return epoch < 0 || start + varintSize(epoch) !== body.length ? undefined : { kind: 'moved', epoch };
    }
    case kinds.unanswered: {
      const reason = unansweredReasons[body[start] ?? -1];
      return reason === undefined || body.length !== start + 1 ? undefined : { kind: 'unanswered', reason };
    }
    case kinds.same:
      return isBare ? { kind: 'same' } : undefined;
    case kinds.notfound:
      return isBare ? { kind: 'notfound' } : undefined;
    case kinds.accepted:
      return isBare ? { kind: 'accepted' } : undefined;
    case kinds.stored:
      return isBare ? { kind: 'stored' } : undefined;
    case kinds.declined:
      return isBare ? { kind: 'declined' } : undefined;
    case kinds.behind:
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
