/** What can be said of a request without looking at what is stored. */
import { Buffer } from 'node:buffer';
import { VersionVector } from '../clocks/index.ts';
import type { WallMicros } from '../environment/index.ts';
import { type ByteString, byteLiteral } from '../stdx/index.ts';
import { ContentError, stampNewContent } from '../wire/index.ts';
import type { PreparedWrite } from './coordinator/index.ts';
import { indexEntriesMax, withCanonicalIndexes } from './index-entry.ts';
import type { ObjectAddress, PutRequest } from './key-value-store.ts';
import type { KvError } from './kv-error.ts';
import { nameBytesMax } from './vnode/index.ts';

/** Undefined if the name may be used. */
export function checkName(what: 'type' | 'bucket' | 'key', name: ByteString): KvError | undefined {
  if (name.length === 0) return { code: 'bad_name', what, reason: 'empty' };
  if (name.length > nameBytesMax) return { code: 'bad_name', what, reason: 'too_long' };
  return undefined;
}

/** Undefined: not a context of this database. None at all is the empty one. */
export function decodeContext(context: Uint8Array | undefined): VersionVector | undefined {
  if (context === undefined || context.length === 0) return VersionVector.empty;
  return VersionVector.decode(Buffer.isBuffer(context) ? context : Buffer.from(context));
}

/** The address alone, of a request that is one. */
export function addressOnly({ bucketType, bucket, key }: ObjectAddress): ObjectAddress {
  return { bucketType, bucket, key };
}

/** Decodes the context and stamps the content with the vtag, the time and the end of this write; `ttlSeconds` is its bucket's. */
export function prepareWrite(
  request: PutRequest,
  address: ObjectAddress,
  vtag: ByteString,
  wallMicros: WallMicros,
  ttlSeconds = 0,
): PreparedWrite | KvError {
  const context = decodeContext(request.context);
  if (context === undefined) return { code: 'bad_context' };
  try {
    const content = withCanonicalIndexes(
      stampNewContent(
        request.content,
        vtag,
        wallMicros,
        request.asis === true ? 'kept' : ttlSeconds,
        request.manifest,
      ),
    );
    if ('reason' in content) return { code: 'bad_index', problem: content };
    return {
      address,
      options: request,
      context,
      content,
      update: undefined,
      condition: request.ifNoneMatch ? 'absent' : request.ifNotModified ? 'unmodified' : 'none',
      asis: request.asis === true,
      wantsObject: request.returnObject !== undefined && request.returnObject !== 'no',
      isForwarded: false,
    };
  } catch (error) {
    if (!(error instanceof ContentError)) throw error;
    if (error.list !== 'index entries') return { code: 'bad_content', reason: error.message };
    return {
      code: 'bad_index',
      problem: { reason: 'too_many', field: byteLiteral(''), entriesMax: indexEntriesMax },
    };
  }
}
