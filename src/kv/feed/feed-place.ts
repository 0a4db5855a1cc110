/**
 * Where an entry stands in the feeds of a node: which run of the node made it, and how many it had made before.
 *
 * A run is one life of the process, by its number and by chance: entries that a power cut took away are made again under
 * another run, so that no place stands for two changes. 14 bytes, which compare as the places do.
 */
import { Buffer } from 'node:buffer';
import type { ByteString } from '../../stdx/index.ts';

export const feedPlaceBytes = 14;
const runBytes = 8;
const uint32 = 2 ** 32;
/** Of a place that somebody brings: there is one behind it. */
const counterMax = 2 ** 48 - 2;

/** 8 bytes: a number, which grows from run to run, and what tells apart two that came by the same number. */
export type FeedRun = ByteString;

export function feedRun(number: number, chance: number): FeedRun {
  const bytes = Buffer.allocUnsafe(runBytes);
  bytes.writeUInt32BE(number, 0);
  bytes.writeUInt32BE(chance >>> 0, 4);
  return bytes.toString('latin1') as FeedRun;
}

export function numberOfRun(run: FeedRun): number {
  return Buffer.from(run, 'latin1').readUInt32BE(0);
}

export function feedPlace(run: FeedRun, counter: number): ByteString {
  const bytes = Buffer.allocUnsafe(feedPlaceBytes - runBytes);
  bytes.writeUIntBE(counter, 0, feedPlaceBytes - runBytes);
  return (run + bytes.toString('latin1')) as ByteString;
}

export function runOfPlace(place: ByteString): FeedRun {
  return place.slice(0, runBytes) as FeedRun;
}

export function counterOfPlace(place: ByteString): number {
  let counter = 0;
  for (let at = runBytes; at < feedPlaceBytes; at += 1) counter = counter * 256 + place.charCodeAt(at);
  return counter;
}

/** The first place behind this one. */
export function placeAfter(place: ByteString): ByteString {
  return feedPlace(runOfPlace(place), counterOfPlace(place) + 1);
}

export function isFeedRun(run: ByteString): boolean {
  return run.length === runBytes;
}

export function isFeedCounter(counter: number): boolean {
  return counter <= counterMax;
}

export function isFeedPlace(place: ByteString): boolean {
  return place.length === feedPlaceBytes && isFeedCounter(counterOfPlace(place));
}

/** The number of the run that follows one of this number. */
export function nextRunNumber(number: number): number {
  return (number + 1) % uint32;
}
