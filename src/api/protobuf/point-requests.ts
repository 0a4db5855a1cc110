/** Gets, puts and deletes as the store takes them. */
import { Buffer } from 'node:buffer';
import type { DeleteRequest, GetRequest, PutRequest, QuorumValue, SyncOnWrite } from '../../kv/index.ts';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import type { GetRequestReader, MessageOf, PutRequestReader, rpbDelReq } from '../../wire/index.ts';
import { badSyncOnWrite, emptyName } from './error-reply.ts';

/** The untyped namespace. Clients send its name, or nothing. */
export const defaultType = byteLiteral('default');

/** What Riak answers to a name that is there and empty; undefined if none is. */
export function emptyNameError(
  bucket: ByteString,
  key: ByteString | undefined,
  type: ByteString | undefined,
): string | undefined {
  if (bucket.length === 0) return emptyName('bucket');
  if (key?.length === 0) return emptyName('key');
  if (type?.length === 0) return emptyName('type');
  return undefined;
}

export function getRequestOf(fields: GetRequestReader, frame: Buffer): GetRequest {
  return {
    bucketType: fields.type ?? defaultType,
    bucket: fields.bucket,
    key: fields.key,
    r: quorum(fields.r),
    pr: quorum(fields.pr),
    basicQuorum: fields.basicQuorum,
    notfoundOk: fields.notfoundOk,
    nodeConfirms: quorum(fields.nodeConfirms),
    sloppyQuorum: fields.sloppyQuorum,
    nVal: fields.nVal,
    timeoutMs: fields.timeout,
    head: fields.head,
    ifModified: copied(frame, fields.ifModifiedStart, fields.ifModifiedEnd),
  };
}

/**
 * A put that may start before those ahead of it on its connection are answered. A condition is read before
 * its write, so that a later put could come between; and `asis` writes are not ordered by a coordinator.
 */
export function isPlainPut({ ifNoneMatch, ifNotModified, asis }: PutRequestReader): boolean {
  return ifNoneMatch !== true && ifNotModified !== true && asis !== true;
}

/** A string is the text of the refusal. The content is a view of the frame: the store copies it. */
export function putRequestOf(fields: PutRequestReader, frame: Buffer): PutRequest | string {
  const syncOnWrite = fields.syncOnWrite;
  if (syncOnWrite !== undefined && !isSyncOnWrite(syncOnWrite)) return badSyncOnWrite(syncOnWrite);
  return {
    bucketType: fields.type ?? defaultType,
    bucket: fields.bucket,
    key: fields.key,
    context: copied(frame, fields.vclockStart, fields.vclockEnd),
    content: frame.subarray(fields.contentStart, fields.contentEnd),
    w: quorum(fields.w),
    dw: quorum(fields.dw),
    pw: quorum(fields.pw),
    nodeConfirms: quorum(fields.nodeConfirms),
    sloppyQuorum: fields.sloppyQuorum,
    nVal: fields.nVal,
    timeoutMs: fields.timeout,
    syncOnWrite,
    // Asked for both, Riak answers with heads.
    returnObject: fields.returnHead === true ? 'head' : fields.returnBody === true ? 'body' : 'no',
    ifNoneMatch: fields.ifNoneMatch,
    ifNotModified: fields.ifNotModified,
    asis: fields.asis,
  };
}

export function deleteRequestOf(message: MessageOf<typeof rpbDelReq>): DeleteRequest {
  return {
    bucketType: message.type ?? defaultType,
    bucket: message.bucket,
    key: message.key,
    rw: quorum(message.rw),
    context: message.vclock === undefined ? undefined : Buffer.from(message.vclock),
    r: quorum(message.r),
    w: quorum(message.w),
    pr: quorum(message.pr),
    pw: quorum(message.pw),
    dw: quorum(message.dw),
    timeoutMs: message.timeout,
    sloppyQuorum: message.sloppy_quorum,
    nVal: message.n_val,
  };
}

/** The store's quorum values are those of the wire. */
export function quorum(value: number | undefined): QuorumValue | undefined {
  return value as QuorumValue | undefined;
}

/** Contexts outlive the frame that they came in. */
function copied(frame: Buffer, start: number, end: number): Buffer | undefined {
  return start < 0 ? undefined : Buffer.from(frame.subarray(start, end));
}

function isSyncOnWrite(word: string): word is SyncOnWrite & ByteString {
  return word === 'backend' || word === 'one' || word === 'all';
}
