/** Change feeds as messages, and what is streamed in reply. */
import { Buffer } from 'node:buffer';
import { byteLiteral } from '../../stdx/index.ts';
import {
  decodeContent,
  decodeMessage,
  encodeFrame,
  type haleFeedEvent,
  haleFeedReq,
  haleFeedResp,
  type MessageOf,
  rpbGetResp,
} from '../../wire/index.ts';
import type { FeedEvent, FeedPage, FeedQuery } from '../transport.ts';
import { decodeReply } from './decode-reply.ts';
import type { StreamedRequest } from './remote-cursor.ts';

export function feedRequest(
  { bucket, bucketType, only, since }: FeedQuery,
  heartbeatMs: number,
): Omit<StreamedRequest<FeedPage>, 'deadline'> {
  const frame = encodeFrame(haleFeedReq, {
    bucket,
    type: bucketType === 'default' ? undefined : bucketType,
    key: only?.kind === 'key' ? only.name : undefined,
    prefix: only?.kind === 'prefix' ? only.name : undefined,
    from_start: since === 'start' ? true : undefined,
    cursor: typeof since === 'object' ? byteLiteral(since.cursor) : undefined,
    values: true,
    heartbeat: heartbeatMs,
  });
  return { frame, decode: decodeFeedReply };
}

function decodeFeedReply(code: number, body: Buffer) {
  // The body is lent: what it decodes to are views.
  const { events, cursor, done } = decodeReply(haleFeedResp, code, Buffer.from(body));
  return { batch: { events: events.map(eventOf), cursor }, done: done === true };
}

function eventOf({ key, deleted, object, micros }: MessageOf<typeof haleFeedEvent>): FeedEvent {
  if (key === undefined) return { kind: 'gap' };
  const stored = object === undefined ? undefined : decodeMessage(rpbGetResp, object);
  return {
    kind: deleted === true ? 'deleted' : 'changed',
    key,
    micros: Number(micros ?? 0n),
    object: stored && {
      siblings: stored.content.map((content) => decodeContent(content)),
      context: stored.vclock ?? Buffer.alloc(0),
    },
  };
}
