/**
 * HaleFeedReq: the changes of a bucket, or of one key, until the peer leaves. The connection is the feed's from then on.
 * Nothing is gathered for a peer that does not read.
 */
import {
  type FeedBatch,
  type FeedEvent,
  type FeedReader,
  type FeedSubscription,
  KvFailure,
} from '../../kv/index.ts';
import { byteLiteral, textOfBytes } from '../../stdx/index.ts';
import { haleFeedReq, haleFeedResp, type MessageOf } from '../../wire/index.ts';
import { textOfBucketError, unknownCode } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { defaultType, emptyNameError } from './point-requests.ts';

type Request = MessageOf<typeof haleFeedReq>;
type EventMessage = MessageOf<typeof haleFeedResp>['events'][number];

const heartbeatMsDefault = 10_000;
const heartbeatMsMin = 100;
const heartbeatMsMax = 60_000;
/** Objects of one response, roughly. */
const frameBytesMax = 256 * 1024;

export function followFeed(exchange: Exchange, message: Request): void {
  const { feeds, tasks } = exchange.service;
  if (feeds === undefined) {
    exchange.fail(unknownCode(haleFeedReq.code));
    return;
  }
  const { bucket, key, type, heartbeat = heartbeatMsDefault } = message;
  const badName = emptyNameError(bucket, key, type);
  if (badName !== undefined || (key !== undefined && message.prefix !== undefined)) {
    exchange.fail(badName ?? 'a feed is of one key or of those with a prefix');
    return;
  }
  let reader: FeedReader;
  try {
    reader = feeds.open(subscriptionOf(message));
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    exchange.fail(textOfBucketError(error.error));
    return;
  }
  const heartbeatMs = Math.min(heartbeatMsMax, Math.max(heartbeatMsMin, heartbeat));
  tasks.spawn('protobuf: feed', () => send(exchange, reader, message.values === true, heartbeatMs));
}

function subscriptionOf({ bucket, type, key, prefix, cursor, from_start }: Request): FeedSubscription {
  const since =
    cursor === undefined || cursor.length === 0
      ? from_start === true
        ? ('start' as const)
        : ('now' as const)
      : { cursor: textOfBytes(cursor) };
  const address = { bucketType: type ?? defaultType, bucket, since };
  if (key !== undefined) return { ...address, only: { kind: 'key', name: key } };
  if (prefix === undefined || prefix.length === 0) return address;
  return { ...address, only: { kind: 'prefix', name: prefix } };
}

async function send(
  exchange: Exchange,
  reader: FeedReader,
  hasValues: boolean,
  heartbeatMs: number,
): Promise<void> {
  const replies = exchange.beginStream(() => reader.close());
  try {
    let batch = await reader.next(0);
    for (; batch !== undefined && !exchange.isClosed; batch = await reader.next(heartbeatMs)) {
      for (const response of responsesOf(batch, hasValues)) {
        replies.frame(haleFeedResp, response);
        await replies.writable();
        if (exchange.isClosed) return;
      }
    }
    if (!exchange.isClosed) exchange.reply(haleFeedResp, { events: [], done: true });
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    if (!exchange.isClosed) exchange.fail(textOfBucketError(error.error));
  } finally {
    reader.close();
  }
}

function* responsesOf({ events, cursor }: FeedBatch, hasValues: boolean) {
  let some: EventMessage[] = [];
  let bytes = 0;
  for (const event of events) {
    const message = messageOf(event, hasValues);
    some.push(message);
    bytes += message.object?.length ?? 0;
    if (bytes < frameBytesMax) continue;
    yield { events: some };
    some = [];
    bytes = 0;
  }
  yield { events: some, cursor: byteLiteral(cursor) };
}

function messageOf(event: FeedEvent, hasValues: boolean): EventMessage {
  if (event.kind === 'gap') return {};
  const { key, object, micros } = event;
  const deleted = object === undefined || object.isTombstone;
  return {
    key,
    deleted,
    micros: BigInt(micros),
    ...(object === undefined ? {} : { object: hasValues ? object.replyBody() : object.headReplyBody() }),
  };
}
