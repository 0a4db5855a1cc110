/** RpbCSBucketReq: the objects of a bucket in the order of their keys. Riak CS lists its buckets by it. */
import { foldObjects, type IndexRequest, KvFailure, keyField } from '../../kv/index.ts';
import { type ByteString, bufferOf, byteLiteral, byteStringOf } from '../../stdx/index.ts';
import { type MessageOf, type rpbCsBucketReq, rpbCsBucketResp } from '../../wire/index.ts';
import { textOfError } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { defaultType, emptyNameError } from './point-requests.ts';

type FoldMessage = MessageOf<typeof rpbCsBucketReq>;

/** Objects go out once they have so many bytes. */
const frameBytesMin = 256 * 1024;

export function foldBucket(exchange: Exchange, message: FoldMessage): void {
  const { indexes, tasks } = exchange.service;
  const badName = emptyNameError(message.bucket, undefined, message.type);
  if (badName !== undefined || indexes === undefined) {
    exchange.fail(badName ?? 'secondary indexes are not available here');
    return;
  }
  tasks.spawn('protobuf: fold bucket', () => fold(exchange, message));
}

/** The first key of the range, or the first behind it; before `end_key`, or before the first behind it. */
function requestOf(message: FoldMessage): IndexRequest {
  const { bucket, type, start_key, end_key, start_incl, end_incl, continuation, max_results, timeout } =
    message;
  const from = start_incl === false ? behind(start_key) : start_key;
  const before = end_key === undefined || end_incl !== true ? end_key : behind(end_key);
  return {
    bucketType: type ?? defaultType,
    bucket,
    field: keyField,
    range: { kind: 'keys', from, ...(before === undefined ? {} : { before }) },
    ...(max_results === undefined || max_results === 0 ? {} : { maxResults: max_results }),
    ...(continuation === undefined || continuation.length === 0
      ? {}
      : { continuation: byteStringOf(continuation) }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  };
}

function behind(key: ByteString): ByteString {
  return byteLiteral(`${key}\0`);
}

async function fold(exchange: Exchange, message: FoldMessage): Promise<void> {
  const { indexes, store, tasks } = exchange.service;
  try {
    const asked = requestOf(message);
    const results = indexes!.query(asked);
    try {
      const replies = exchange.beginStream(() => tasks.spawn('protobuf: cancel fold', () => results.close()));
      let objects: { readonly key: ByteString; readonly object: Uint8Array }[] = [];
      let bytes = 0;
      for await (const found of foldObjects(store, asked, results)) {
        if (exchange.isClosed) return;
        for (const { key, object } of found) {
          objects.push({ key, object: object.replyBody() });
          bytes += object.sizeBytes;
        }
        if (bytes < frameBytesMin) continue;
        replies.frame(rpbCsBucketResp, { objects });
        objects = [];
        bytes = 0;
        await replies.writable();
      }
      if (exchange.isClosed) return;
      if (objects.length > 0) replies.frame(rpbCsBucketResp, { objects });
      const { continuation } = results;
      const rest = continuation === undefined ? {} : { continuation: bufferOf(continuation) };
      exchange.reply(rpbCsBucketResp, { ...rest, done: true });
    } finally {
      await results.close();
    }
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    exchange.fail(textOfError(error.error));
  }
}
