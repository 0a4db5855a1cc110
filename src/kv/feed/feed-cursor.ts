/**
 * Where a reader of a feed is, as text that it keeps and brings again: a place in the feed of each partition. It holds for
 * the bucket and the filter that it was made for.
 *
 * Partitions of one node share its run, so a run stands once; a cursor has some 5 bytes for each partition.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { Partition } from '../../core/ring/index.ts';
import { type ByteString, bufferOf, byteStringOf, FieldReader, FieldWriter } from '../../stdx/index.ts';
import type { BucketAddress } from '../key-value-store.ts';
import {
  counterOfPlace,
  type FeedRun,
  feedPlace,
  isFeedCounter,
  isFeedRun,
  runOfPlace,
} from './feed-place.ts';
import { type FeedRequest, feedPartitionsMax, feedStart } from './feed-protocol.ts';

export type FeedPlaces = ReadonlyMap<Partition, ByteString>;
export type FeedOf = BucketAddress & Pick<FeedRequest, 'only'>;

export const cursorTextMax = 32_768;
const version = 1;

export function encodeCursor(of: FeedOf, places: FeedPlaces): string {
  const runs = new Map<FeedRun, number>();
  for (const place of places.values()) {
    if (place === feedStart) continue;
    const run = runOfPlace(place);
    if (!runs.has(run)) runs.set(run, runs.size + 1);
  }
  const writer = new FieldWriter();
  writer.number(version);
  writer.number(nameSum(of));
  writer.list([...runs.keys()], (run) => writer.bytes(bufferOf(run)));
  writer.list([...places], ([partition, place]) => {
    writer.number(partition);
    writer.number(place === feedStart ? 0 : runs.get(runOfPlace(place))!);
    if (place !== feedStart) writer.number(counterOfPlace(place));
  });
  return writer.finish().toString('base64url');
}

/** Undefined: it is no cursor, or one of another feed. */
export function decodeCursor(of: FeedOf, text: string): FeedPlaces | undefined {
  if (text.length > cursorTextMax || !/^[\w-]+$/.test(text)) return undefined;
  const reader = new FieldReader(Buffer.from(text, 'base64url'));
  if (reader.number() !== version || reader.number() !== nameSum(of)) return undefined;
  const runs = reader.list((): FeedRun => {
    const run = byteStringOf(reader.bytes());
    if (!isFeedRun(run)) reader.fail();
    return run;
  });
  const places = new Map<Partition, ByteString>();
  const read = reader.list(() => {
    const partition = reader.number();
    const index = reader.number();
    const counter = index === 0 ? 0 : reader.number();
    const run = runs[index - 1];
    const isGood =
      partition < feedPartitionsMax && isFeedCounter(counter) && (index === 0 || run !== undefined);
    if (isGood) places.set(partition as Partition, run === undefined ? feedStart : feedPlace(run, counter));
    else reader.fail();
  });
  return reader.isWhole && read.length > 0 ? places : undefined;
}

/** Tells cursors of different feeds apart, lest one be taken for another by mistake. */
function nameSum({ bucketType, bucket, only }: FeedOf): number {
  return crc32(Buffer.from(`${bucketType}\0${bucket}\0${only?.kind ?? ''}\0${only?.name ?? ''}`, 'latin1'));
}
