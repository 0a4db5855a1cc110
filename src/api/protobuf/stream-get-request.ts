/** HaleStreamGetReq: a value in pieces, sent as fast as the peer takes them. */
import type { Buffer } from 'node:buffer';
import { KvFailure, type StreamedGet, type StreamedGetResult } from '../../kv/index.ts';
import {
  decodeMessage,
  haleStreamGetReq,
  haleStreamGetResp,
  type MessageOf,
  rpbGetResp,
} from '../../wire/index.ts';
import { textOfError, unknownCode } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { defaultType, emptyNameError, quorum } from './point-requests.ts';

/** Of a value in one response. */
const pieceBytesMax = 128 * 1024;

export function getStream(exchange: Exchange, message: MessageOf<typeof haleStreamGetReq>): void {
  const { streams, tasks, store } = exchange.service;
  const badName = emptyNameError(message.bucket, message.key, message.type);
  if (streams === undefined || badName !== undefined) {
    exchange.fail(badName ?? unknownCode(haleStreamGetReq.code));
    return;
  }
  if (store.refuses?.('read') === true) {
    exchange.fail(textOfError({ code: 'overload' }));
    return;
  }
  const request = requestOf(message);
  tasks.spawn('protobuf: stream get', async () => {
    const result = await streams.values.get(request);
    if (result.kind === 'found') await send(exchange, result);
    else if (result.kind === 'failed') exchange.fail(textOfError(result.error));
    else if (result.kind === 'notfound') exchange.reply(haleStreamGetResp, { done: true });
    else exchange.reply(haleStreamGetResp, { ...headOf(result), done: true });
  });
}

function requestOf(message: MessageOf<typeof haleStreamGetReq>): StreamedGet {
  const { bucket, key, type, r, pr, basic_quorum, notfound_ok, timeout, vtag, from, to } = message;
  return {
    bucketType: type ?? defaultType,
    bucket,
    key,
    r: quorum(r),
    pr: quorum(pr),
    basicQuorum: basic_quorum,
    notfoundOk: notfound_ok,
    timeoutMs: timeout,
    vtag,
    from: from === undefined ? undefined : Number(from),
    to: to === undefined ? undefined : Number(to),
  };
}

async function send(
  exchange: Exchange,
  found: Extract<StreamedGetResult, { readonly kind: 'found' }>,
): Promise<void> {
  const chunks = found.chunks[Symbol.asyncIterator]();
  // What is still being read ends with the loop.
  const replies = exchange.beginStream(() => undefined);
  if (exchange.isClosed) return;
  replies.frame(haleStreamGetResp, { ...headOf(found), bytes: BigInt(found.bytes) });
  try {
    for (let chunk = await chunks.next(); chunk.done !== true; chunk = await chunks.next()) {
      if (exchange.isClosed) return;
      for (const piece of piecesOf(chunk.value)) {
        replies.frame(haleStreamGetResp, { piece });
        await replies.writable();
        if (exchange.isClosed) return;
      }
    }
    exchange.reply(haleStreamGetResp, { done: true });
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    exchange.fail(textOfError(error.error));
  } finally {
    await chunks.return?.();
  }
}

function headOf({ object }: Pick<Extract<StreamedGetResult, { readonly kind: 'siblings' }>, 'object'>) {
  const { content, vclock } = decodeMessage(rpbGetResp, object.headReplyBody());
  return { content, vclock };
}

function* piecesOf(chunk: Buffer): Iterable<Buffer> {
  for (let at = 0; at < chunk.length; at += pieceBytesMax) yield chunk.subarray(at, at + pieceBytesMax);
}
