/**
 * What the reader of a feed asks of a node, and what it hears: for each of some partitions of that node, the keys that
 * were changed behind a place, and how far it looked. Nothing is kept at the node between two requests; one that finds
 * nothing may wait there for a change.
 */
import type { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { VnodeCodec } from '../../core/vnode/index.ts';
import {
  assert,
  type ByteString,
  bufferOf,
  byteStringOf,
  FieldReader,
  FieldWriter,
} from '../../stdx/index.ts';
import type { BucketAddress } from '../key-value-store.ts';
import type { FeedEntryValue } from './feed-entries.ts';
import { isFeedPlace } from './feed-place.ts';

/** A place; or the beginning of all; or that of what comes from now on. */
export type FeedFrom = ByteString | 'now';
export const feedStart = '' as ByteString;

export interface FeedStep {
  readonly partition: Partition;
  readonly after: FeedFrom;
}

export interface FeedRequest extends BucketAddress {
  /** Only this key; or only keys that begin so. */
  readonly only?: { readonly kind: 'key' | 'prefix'; readonly name: ByteString };
  readonly steps: readonly FeedStep[];
  readonly entriesMax: number;
  /** Milliseconds that the node may wait for a change if there is none. */
  readonly waitMs: number;
}

export interface FeedItem extends FeedEntryValue {
  readonly key: ByteString;
}

export interface FeedPart {
  readonly partition: Partition;
  /** In the order of the changes. */
  readonly items: readonly FeedItem[];
  /** All up to here is in these items or was before. */
  readonly after: ByteString;
  /** Not all that was asked for was there: what was deleted may be missing, and the rest comes again. */
  readonly isBroken: boolean;
}

export type FeedReply =
  /** Of a partition that is not among them there was no room to tell. */
  | { readonly kind: 'slice'; readonly parts: readonly FeedPart[] }
  /** The node does not serve one of the partitions. */
  | { readonly kind: 'moved'; readonly epoch: number }
  /** `no_feed`: as far as the node knows the bucket keeps none. */
  | {
      readonly kind: 'failed';
      readonly reason: 'unreachable' | 'overload' | 'timeout' | 'storage' | 'no_feed';
    };

export const feedPartitionsMax = 1024;
const failures = ['unreachable', 'overload', 'timeout', 'storage', 'no_feed'] as const;
const replyKind = { slice: 1, moved: 2, failed: 3 } as const;
const onlyKind = ['none', 'key', 'prefix'] as const;

/** What was written is kept until it is sent: the codec's caller asks for the size first. */
class Encoded<Message extends object> {
  readonly #encode: (message: Message, writer: FieldWriter) => void;
  readonly #bytes = new WeakMap<Message, Buffer>();

  constructor(encode: (message: Message, writer: FieldWriter) => void) {
    this.#encode = encode;
  }

  of(message: Message): Buffer {
    let bytes = this.#bytes.get(message);
    if (bytes === undefined) {
      const writer = new FieldWriter();
      this.#encode(message, writer);
      bytes = writer.finish();
      this.#bytes.set(message, bytes);
    }
    return bytes;
  }
}

export function feedCodec(): VnodeCodec<FeedRequest, FeedReply> {
  const requests = new Encoded<FeedRequest>(writeRequest);
  const replies = new Encoded<FeedReply>(writeReply);
  return {
    requestBytes: (request) => requests.of(request).length,
    writeRequest(request, into, at) {
      into.set(requests.of(request), at);
    },
    readRequest,
    replyBytes: (reply) => replies.of(reply).length,
    writeReply(reply, into, at) {
      into.set(replies.of(reply), at);
    },
    readReply,
    isLast: () => true,
    unanswered: (reason) => ({ kind: 'failed', reason: reason === 'unheard' ? 'overload' : reason }),
    moved: (epoch) => ({ kind: 'moved', epoch }),
  };
}

function writeRequest(request: FeedRequest, writer: FieldWriter): void {
  const { bucketType, bucket, only, steps, entriesMax, waitMs } = request;
  writer.bytes(bufferOf(bucketType));
  writer.bytes(bufferOf(bucket));
  writer.number(onlyKind.indexOf(only?.kind ?? 'none'));
  if (only !== undefined) writer.bytes(bufferOf(only.name));
  writer.number(entriesMax);
  writer.number(waitMs);
  assert(steps.length <= feedPartitionsMax, 'a node has no more partitions than the ring');
  writer.list(steps, ({ partition, after }) => {
    writer.number(partition);
    writer.flag(after === 'now');
    if (after !== 'now') writer.bytes(bufferOf(after));
  });
}

function readRequest(body: Buffer): FeedRequest | undefined {
  const reader = new FieldReader(body);
  const text = (): ByteString => byteStringOf(reader.bytes());
  const bucketType = text();
  const bucket = text();
  const kind = onlyKind[reader.number()];
  const name = kind === 'key' || kind === 'prefix' ? text() : undefined;
  const entriesMax = reader.number();
  const waitMs = reader.number();
  const steps = reader.list((): FeedStep => {
    const partition = reader.number();
    const isNow = reader.flag();
    const after = isNow ? 'now' : readPlace(reader);
    if (partition >= feedPartitionsMax) reader.fail();
    return { partition: partition as Partition, after };
  });
  const isBad =
    kind === undefined || entriesMax < 1 || steps.length === 0 || steps.length > feedPartitionsMax;
  if (isBad || !reader.isWhole) return undefined;
  const request = { bucketType, bucket, steps, entriesMax, waitMs };
  return kind === 'none' || name === undefined ? request : { ...request, only: { kind, name } };
}

function writeReply(reply: FeedReply, writer: FieldWriter): void {
  writer.number(replyKind[reply.kind]);
  if (reply.kind === 'moved') writer.number(reply.epoch);
  else if (reply.kind === 'failed') writer.number(failures.indexOf(reply.reason));
  else {
    writer.list(reply.parts, ({ partition, items, after, isBroken }) => {
      writer.number(partition);
      writer.flag(isBroken);
      writer.bytes(bufferOf(after));
      writer.list(items, ({ key, micros, digest }) => {
        writer.bytes(bufferOf(key));
        writer.number(micros);
        writer.bytes(bufferOf(digest));
      });
    });
  }
}

function readReply(body: Buffer): FeedReply | undefined {
  const reader = new FieldReader(body);
  const text = (): ByteString => byteStringOf(reader.bytes());
  const kind = reader.number();
  let reply: FeedReply | undefined;
  if (kind === replyKind.moved) reply = { kind: 'moved', epoch: reader.number() };
  else if (kind === replyKind.failed) {
    const reason = failures[reader.number()];
    reply = reason && { kind: 'failed', reason };
  } else if (kind === replyKind.slice) {
    const parts = reader.list((): FeedPart => {
      const partition = reader.number() as Partition;
      const isBroken = reader.flag();
      const after = readPlace(reader);
      const items = reader.list(() => ({ key: text(), micros: reader.number(), digest: text() }));
      return { partition, isBroken, after, items };
    });
    reply = { kind: 'slice', parts };
  }
  return reader.isWhole ? reply : undefined;
}

function readPlace(reader: FieldReader): ByteString {
  const place = byteStringOf(reader.bytes());
  if (place !== feedStart && !isFeedPlace(place)) reader.fail();
  return place;
}
