/**
 * A node's answers to the readers of feeds: looks behind a place in each of the partitions that it is asked for, and
 * waits for a change if there is nothing.
 */
import { Buffer } from 'node:buffer';
import type { Ownership } from '../../core/coverage/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { VnodeService } from '../../core/vnode/index.ts';
import type { Tasks } from '../../environment/index.ts';
import { type ByteString, bufferOf, byteStringOf } from '../../stdx/index.ts';
import { type GroupCommit, StorageError } from '../../storage/index.ts';
import { bucketRange, ObjectKey, sectionFeed } from '../vnode/index.ts';
import { bucketName, decodeEntryValue, type FeedEntries } from './feed-entries.ts';
import { feedPlaceBytes, placeAfter } from './feed-place.ts';
import {
  type FeedFrom,
  type FeedItem,
  type FeedPart,
  type FeedReply,
  type FeedRequest,
  feedStart,
} from './feed-protocol.ts';
import type { FeedSignals } from './feed-signals.ts';

/** Entries of one answer, whatever is asked for; but a partition may always have its least share. */
const entriesMax = 1000;
const shareMin = 8;
/** Of the keys of one answer and what is said of them; the last may go beyond. What has no room is asked for again. */
const answerBytesMax = 512 * 1024;
/** Of an item beside its key. */
const itemBytes = 64;
/** Entries that are looked at in a partition for one answer, whether they are asked for or not. */
const lookedAtMax = 4000;
const waitMsMax = 60_000;
const sliceLimits = { entriesMax: 500, bytesMax: 256 * 1024 };

export interface AnswerFeedParts {
  readonly commit: GroupCommit;
  readonly entries: FeedEntries;
  readonly signals: FeedSignals;
  readonly ownership: Ownership;
  readonly tasks: Pick<Tasks, 'spawn'>;
}

export class AnswerFeed implements VnodeService<FeedRequest, FeedReply> {
  readonly #parts: AnswerFeedParts;

  constructor(parts: AnswerFeedParts) {
    this.#parts = parts;
  }

  handle(_first: Partition, request: FeedRequest, reply: (reply: FeedReply) => void): void {
    this.#parts.tasks.spawn('feed: answer', async () => reply(await this.#answer(request)));
  }

  /** What is found counts only if the partitions are still served here: they may be dropped meanwhile. */
  async #answer(request: FeedRequest): Promise<FeedReply> {
    const { entries, signals, ownership } = this.#parts;
    const moved = (): FeedReply => ({ kind: 'moved', epoch: ownership.epoch });
    const servesAll = (): boolean => request.steps.every(({ partition }) => ownership.serves(partition));
    if (!servesAll()) return moved();
    if (!entries.keepsOf(request)) return { kind: 'failed', reason: 'no_feed' };
    try {
      let parts = await this.#look(request);
      const hasNews = parts.some(({ items, isBroken }) => items.length > 0 || isBroken);
      const begins = request.steps.some(({ after }) => after === 'now');
      const hasMore = parts.some(({ partition, after }) => entries.mayHaveNews(partition, request, after));
      if (!hasNews && !begins && !hasMore && request.waitMs > 0 && servesAll()) {
        const hasWaited = await signals.wait(bucketName(request), Math.min(request.waitMs, waitMsMax));
        if (!hasWaited) return { kind: 'failed', reason: 'overload' };
        const places = new Map(parts.map(({ partition, after }) => [partition, after]));
        const steps = request.steps.map((step) => ({
          ...step,
          after: places.get(step.partition) ?? step.after,
        }));
        if (servesAll()) parts = await this.#look({ ...request, steps });
      }
      return servesAll() ? { kind: 'slice', parts } : moved();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return servesAll() ? { kind: 'failed', reason: 'storage' } : moved();
    }
  }

  async #look(request: FeedRequest): Promise<readonly FeedPart[]> {
    const parts: FeedPart[] = [];
    // Each partition has its share, so that a busy one does not keep the others waiting.
    const share = Math.ceil(Math.min(request.entriesMax, entriesMax) / request.steps.length);
    let bytesLeft = answerBytesMax;
    for (const { partition, after } of request.steps) {
      if (bytesLeft <= 0) break;
      const found = new FoundItems(Math.max(shareMin, share), bytesLeft);
      parts.push(await this.#lookInto(partition, after, request, found));
      bytesLeft -= found.bytes;
    }
    return parts;
  }

  async #lookInto(
    partition: Partition,
    from: FeedFrom,
    request: FeedRequest,
    items: FoundItems,
  ): Promise<FeedPart> {
    const { entries } = this.#parts;
    if (from === 'now') return { partition, items: [], after: entries.now(), isBroken: false };
    if (!entries.mayHaveNews(partition, request, from)) {
      return { partition, items: [], after: from, isBroken: false };
    }
    const isKnown = from === feedStart || entries.isKnown(from);
    const floor = from === feedStart ? undefined : entries.floorOf(partition);
    const isWhole = isKnown && (floor === undefined || floor <= from);
    const after = isKnown ? from : feedStart;
    const { only } = request;
    const found =
      only?.kind === 'key'
        ? this.#lookAt(partition, after, { ...request, key: only.name }, items)
        : (this.#newest(partition, after, request, items) ??
          (await this.#scan(partition, after, request, items)));
    return { partition, items: items.all, after: found.after, isBroken: !isWhole || found.isDamaged };
  }

  /** A key's one entry. */
  #lookAt(
    partition: Partition,
    after: ByteString,
    address: FeedRequest & { readonly key: ByteString },
    items: FoundItems,
  ): Found {
    const now = this.#parts.entries.now();
    const { engine } = this.#parts.commit;
    const bytes = engine.get(new ObjectKey(address).feedPlace(partition));
    const value = bytes && decodeEntryValue(bytes.subarray(feedPlaceBytes));
    if (bytes === undefined || value === undefined) return { after: now, isDamaged: bytes !== undefined };
    const place = byteStringOf(bytes, 0, feedPlaceBytes);
    if (place > after) items.add({ key: address.key, ...value });
    return { after: later(now, place), isDamaged: false };
  }

  /** Without a look at the disk; undefined: it takes one. */
  #newest(
    partition: Partition,
    after: ByteString,
    request: FeedRequest,
    items: FoundItems,
  ): Found | undefined {
    const { entries } = this.#parts;
    const newest = entries.newest(partition, request, after);
    if (newest === undefined) return undefined;
    const prefix = request.only?.name ?? '';
    for (const entry of newest) {
      const { key, micros, digest } = entry;
      if (key.startsWith(prefix)) items.add({ key, micros, digest });
      if (items.isFull) return { after: entries.placeOf(entry), isDamaged: false };
    }
    return { after: later(after, entries.now()), isDamaged: false };
  }

  async #scan(
    partition: Partition,
    after: ByteString,
    request: FeedRequest,
    items: FoundItems,
  ): Promise<Found> {
    const { itemsMax } = items;
    // What becomes visible while this looks stands behind it.
    const now = this.#parts.entries.now();
    const { from: start, to } = bucketRange(partition, request, sectionFeed);
    const from = after === feedStart ? start! : Buffer.concat([start!, bufferOf(placeAfter(after))]);
    let isDamaged = false;
    const cursor = this.#parts.commit.engine.scan(
      { from, to: to! },
      {
        entriesExpected: Math.min(itemsMax, sliceLimits.entriesMax),
        corrupt: () => {
          isDamaged = true;
        },
      },
    );
    const prefix = request.only?.name ?? '';
    let last = after;
    let lookedAt = 0;
    try {
      for (;;) {
        const slice = await cursor.next({
          ...sliceLimits,
          entriesMax: Math.min(sliceLimits.entriesMax, itemsMax),
        });
        if (slice.length === 0) return { after: later(now, last), isDamaged };
        for (const { key: entry, value } of slice) {
          const at = start!.length;
          last = byteStringOf(entry, at, at + feedPlaceBytes);
          const key = byteStringOf(entry, at + feedPlaceBytes);
          const read = decodeEntryValue(value);
          if (read === undefined) isDamaged = true;
          else if (key.startsWith(prefix)) items.add({ key, ...read });
          lookedAt += 1;
          if (items.isFull) return { after: last, isDamaged };
        }
        if (lookedAt >= lookedAtMax) return { after: last, isDamaged };
      }
    } finally {
      await cursor.close();
    }
  }
}

/** What a partition adds to an answer. */
class FoundItems {
  readonly all: FeedItem[] = [];
  readonly itemsMax: number;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(itemsMax: number, bytesMax: number) {
    this.itemsMax = itemsMax;
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isFull(): boolean {
    return this.all.length >= this.itemsMax || this.#bytes >= this.#bytesMax;
  }

  add(item: FeedItem): void {
    this.all.push(item);
    this.#bytes += item.key.length + itemBytes;
  }
}

interface Found {
  readonly after: ByteString;
  readonly isDamaged: boolean;
}

function later(a: ByteString, b: ByteString): ByteString {
  return a > b ? a : b;
}
