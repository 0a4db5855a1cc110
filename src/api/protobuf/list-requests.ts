/**
 * Listings of keys and buckets. A streamed listing is pulled no faster than the peer takes it, and its cursors
 * are released when the peer leaves.
 */
import { KvFailure, type NameStream } from '../../kv/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import {
  type MessageOf,
  type rpbListBucketsReq,
  rpbListBucketsResp,
  type rpbListKeysReq,
  rpbListKeysResp,
} from '../../wire/index.ts';
import { emptyName, textOfBucketError, tooManyBuckets } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { defaultType, emptyNameError } from './point-requests.ts';
import type { ReplyQueue } from './reply-queue.ts';

/** Names go out once there are so many, as Riak's vnodes send them. */
const namesPerFrameMin = 100;
/** A listing in one reply may be this long. */
const wholeListingBytesMax = 16 * 1024 * 1024;

export function listKeys(exchange: Exchange, message: MessageOf<typeof rpbListKeysReq>): void {
  const { bucket, type, timeout } = message;
  const badName = emptyNameError(bucket, undefined, type);
  if (badName !== undefined) {
    exchange.fail(badName);
    return;
  }
  const { store } = exchange.service;
  const open = () => store.listKeys({ bucketType: type ?? defaultType, bucket }, { timeoutMs: timeout });
  stream(exchange, 'list keys', open, {
    names: (replies, keys) => replies.frame(rpbListKeysResp, { keys }),
    last: () => exchange.reply(rpbListKeysResp, { done: true }),
  });
}

export function listBuckets(exchange: Exchange, message: MessageOf<typeof rpbListBucketsReq>): void {
  const { type, timeout } = message;
  if (type?.length === 0) {
    exchange.fail(emptyName('type'));
    return;
  }
  const { store } = exchange.service;
  const open = () => store.listBuckets(type ?? defaultType, { timeoutMs: timeout });
  if (message.stream !== true) {
    collect(exchange, open);
    return;
  }
  stream(exchange, 'list buckets', open, {
    names: (replies, buckets) => replies.frame(rpbListBucketsResp, { buckets }),
    last: () => exchange.reply(rpbListBucketsResp, { done: true }),
  });
}

interface Rendering {
  readonly names: (replies: ReplyQueue, names: readonly ByteString[]) => void;
  readonly last: () => void;
}

function stream(exchange: Exchange, name: string, open: () => NameStream, rendering: Rendering): void {
  run(exchange, name, open, async (names) => {
    const { tasks } = exchange.service;
    // Closing while a pull is in progress is the stream's to order.
    const replies = exchange.beginStream(() => tasks.spawn(`protobuf: cancel ${name}`, () => names.close()));
    let gathered: ByteString[] = [];
    for (let next = await names.next(); next !== undefined; next = await names.next()) {
      if (exchange.isClosed) return;
      for (const found of next) gathered.push(found);
      if (gathered.length < namesPerFrameMin) continue;
      rendering.names(replies, gathered);
      gathered = [];
      await replies.writable();
      if (exchange.isClosed) return;
    }
    if (exchange.isClosed) return;
    if (gathered.length > 0) rendering.names(replies, gathered);
    rendering.last();
  });
}

function collect(exchange: Exchange, open: () => NameStream): void {
  run(exchange, 'list buckets', open, async (names) => {
    const buckets: ByteString[] = [];
    let bytes = 0;
    for (let next = await names.next(); next !== undefined; next = await names.next()) {
      if (exchange.isClosed) return;
      for (const found of next) {
        buckets.push(found);
        bytes += found.length;
      }
      if (bytes > wholeListingBytesMax) {
        exchange.fail(tooManyBuckets);
        return;
      }
    }
    exchange.reply(rpbListBucketsResp, { buckets });
  });
}

/** Opens a listing, hands it over, and closes it whatever comes. */
function run(
  exchange: Exchange,
  name: string,
  open: () => NameStream,
  body: (names: NameStream) => Promise<void>,
): void {
  exchange.service.tasks.spawn(`protobuf: ${name}`, async () => {
    let names: NameStream | undefined;
    try {
      names = open();
      await body(names);
    } catch (error) {
      if (!(error instanceof KvFailure)) throw error;
      exchange.fail(textOfBucketError(error.error));
    } finally {
      await names?.close();
    }
  });
}
