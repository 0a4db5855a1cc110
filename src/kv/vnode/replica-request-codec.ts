/** Requests to replicas as bytes; `replica-codec.ts` says what they look like. */
import { Buffer } from 'node:buffer';
import { VersionVector } from '../../clocks/index.ts';
import { type Partition, ringSizeMax } from '../../core/ring/index.ts';
import { readVarint, unreachable, varintSize, writeVarint } from '../../stdx/index.ts';
import { ContentError, validateContent } from '../../wire/index.ts';
import { decodeDatatypeWrite, readDelta } from '../datatype/index.ts';
import { type Pruning, versionDigestBytes } from '../object/index.ts';
import { ObjectKey } from './object-key.ts';
import {
  type ReplicaCoordinate,
  type ReplicaPut,
  type ReplicaRequest,
  replicaFormat,
  type WriteRules,
} from './replica-protocol.ts';
import { readObject, tailOf, writeObject } from './travelling-object.ts';

/** Format, kind and flags. */
const headBytes = 3;

const kinds = { get: 1, put: 2, reap: 3, coordinate: 4, delta: 5 } as const;
const getDigest = 1;
const getUnless = 2;
const putSynced = 1;
const putRepair = 2;
const putAnnounce = 4;
const putFenced = 8;
const putPruning = 16;
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

export function requestBytes(request: ReplicaRequest): number {
  const keyLength = request.key.encodedBytes;
  return headBytes + varintSize(keyLength) + keyLength + restBytes(request);
}

export function writeRequest(request: ReplicaRequest, into: Buffer, at: number): void {
  into[at] = replicaFormat;
  into[at + 1] = kinds[request.kind];
  into[at + 2] = flagsOf(request);
  const keyAt = writeVarint(into, at + headBytes, request.key.encodedBytes);
  writeRest(request, into, request.key.encodeInto(into, keyAt));
}

/** What `writeRequest` leaves out. */
export function requestTail(request: ReplicaRequest): Buffer | undefined {
  return request.kind === 'put' ? tailOf(request.object) : undefined;
}

/** Undefined: it is of another format, or none. */
export function readRequest(body: Buffer, mayKeep = false): ReplicaRequest | undefined {
  if (body.length < headBytes || body[0] !== replicaFormat) return undefined;
  const keyLength = readVarint(body, headBytes, body.length);
  if (keyLength < 0) return undefined;
  const keyAt = headBytes + varintSize(keyLength);
  if (keyLength > body.length - keyAt) return undefined;
  const key = ObjectKey.decode(body, keyAt, keyAt + keyLength);
  return key === undefined ? undefined : readRest(body, key, keyAt + keyLength, mayKeep);
}

function restBytes(request: ReplicaRequest): number {
  switch (request.kind) {
    case 'get':
      return request.unless === undefined ? 0 : versionDigestBytes;
    case 'put': {
      let bytes = request.object.sizeBytes;
      for (const number of numbersOfPruning(request.pruning)) bytes += varintSize(number);
      return bytes;
    }
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
        (request.announce ? putAnnounce : 0) |
        (request.pruning === undefined ? 0 : putPruning)
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

function writeRest(request: ReplicaRequest, into: Buffer, start: number): void {
  switch (request.kind) {
    case 'get':
      request.unless?.copy(into, start);
      return;
    case 'put': {
      let at = start;
      for (const number of numbersOfPruning(request.pruning)) at = writeVarint(into, at, number);
      writeObject(request.object, into, at);
      return;
    }
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

function readRest(body: Buffer, key: ObjectKey, start: number, mayKeep: boolean): ReplicaRequest | undefined {
  const flags = body[2]!;
  switch (body[1]) {
    case kinds.get:
      return readGet(body, key, flags, start);
    case kinds.put:
      return readPut(body, key, flags, start, mayKeep);
    case kinds.reap: {
      const first = readVarint(body, start, body.length);
      const nAt = start + varintSize(Math.max(0, first));
      const n = first < 0 ? -1 : readVarint(body, nAt, body.length);
      if (flags !== 0 || n < 1 || n > ringSizeMax || first >= ringSizeMax) return undefined;
      const tombstone = readObject(body, nAt + varintSize(n), false);
      return tombstone === undefined
        ? undefined
        : { kind: 'reap', key, tombstone, first: first as Partition, n };
    }
    case kinds.coordinate:
      return readCoordinate(body, key, flags, start);
    case kinds.delta: {
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

function readPut(
  body: Buffer,
  key: ObjectKey,
  flags: number,
  start: number,
  mayKeep: boolean,
): ReplicaPut | undefined {
  const numbers: number[] = [];
  let at = start;
  for (let left = (flags & putPruning) === 0 ? 0 : pruningCount; left > 0; left -= 1) {
    const number = readVarint(body, at, body.length);
    if (number < 0) return undefined;
    numbers.push(number);
    at += varintSize(number);
  }
  const object = readObject(body, at, mayKeep);
  if (object === undefined || !isPutFlags(flags)) return undefined;
  return {
    kind: 'put',
    key,
    object,
    durability: (flags & putSynced) === 0 ? 'os' : 'synced',
    purpose: (flags & putRepair) !== 0 ? 'repair' : (flags & putFenced) === 0 ? 'write' : 'fenced',
    announce: (flags & putAnnounce) !== 0,
    ...(at === start ? undefined : { pruning: pruningOf(numbers) }),
  };
}

function isPutFlags(flags: number): boolean {
  const both = putRepair | putFenced;
  return flags < putPruning * 2 && (flags & both) !== both;
}

const notPruned: readonly number[] = [];

/** In the order in which they travel. */
function numbersOfPruning(pruning: Pruning | undefined): readonly number[] {
  if (pruning === undefined) return notPruned;
  const { smallVclock, bigVclock, youngVclock, oldVclock } = pruning.limits;
  return [smallVclock, bigVclock, youngVclock, oldVclock, pruning.nowSeconds];
}
const pruningCount = 5;

function pruningOf([smallVclock, bigVclock, youngVclock, oldVclock, nowSeconds]: readonly number[]): Pruning {
  return { limits: { smallVclock, bigVclock, youngVclock, oldVclock }, nowSeconds };
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
