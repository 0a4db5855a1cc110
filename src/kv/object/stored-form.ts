/**
 * The stored form of an object: a short header, then exactly the body of an RpbGetResp, so that a read
 * over Protocol Buffers copies bytes (D9).
 *
 *   1 byte format · 1 byte flags · varint length of the dots · dots · body
 *
 * body: per sibling `0x0A` varint length RpbContent, then `0x12` varint length context (the clock).
 * dots, one per sibling in the order of the body: varint reference, which is
 *   0      no dot
 *   1      12 bytes actor, varint counter: the clock no longer has the actor (it was pruned)
 *   2 + i  varint counter: the actor of the clock's entry i
 *
 * Siblings are in the order of their dots, so that replicas that know the same store the same bytes.
 */
import { Buffer } from 'node:buffer';
import { contextSize, type Dot, isContext, type VersionVector } from '../../clocks/index.ts';
import { byteStringOf, readVarint, varintSize, writeVarint } from '../../stdx/index.ts';
import {
  isDeletedContent,
  marksExpiring,
  marksIndexed,
  marksManifest,
  marksOfContent,
} from '../../wire/index.ts';
import { EmptyObjectError } from './object-error.ts';

/** One of the values of an object that no write has yet superseded. */
export interface Sibling {
  /** The write that made it; unknown for an object that came without (`asisObject`). */
  readonly dot: Dot | undefined;
  /** An encoded RpbContent. */
  readonly content: Buffer;
}

/** Where things are in the bytes of a stored form. */
export interface Layout {
  readonly siblingCount: number;
  readonly bodyStart: number;
  /** Of the context itself, which ends with the bytes. */
  readonly contextStart: number;
}

export const flagAnyTombstone = 1;
export const flagAllTombstones = 2;
/** No sibling has index entries. Where it is not set somebody has to look: versions before this flag never set it. */
export const flagUnindexed = 4;
/** Some sibling expires. */
export const flagAnyExpiring = 8;
/** Of two such objects the one that was written first stays (`mergeObjects`). */
export const flagWriteOnce = 16;
/** The value of some sibling is kept elsewhere. */
export const flagAnyManifest = 32;

const format = 0x01;
const tagContent = 0x0a;
const tagContext = 0x12;
const dotUnknown = 0;
const dotInline = 1;
const dotEntryBase = 2;
const actorBytes = 12;
const flagsOffset = 1;
const dotsLengthOffset = 2;

/** Undefined unless the bytes have the form above. Contents are not looked into. */
export function layoutOf(bytes: Buffer): Layout | undefined {
  const end = bytes.length;
  if (bytes[0] !== format || bytes[flagsOffset] === undefined) return undefined;
  const dotsLength = readVarint(bytes, dotsLengthOffset, end);
  if (dotsLength < 1) return undefined;
  const dotsStart = dotsLengthOffset + varintSize(dotsLength);
  const bodyStart = dotsStart + dotsLength;
  let at = bodyStart;
  let siblingCount = 0;
  while (at < end && bytes[at] === tagContent) {
    const length = readVarint(bytes, at + 1, end);
    if (length < 0) return undefined;
    at += 1 + varintSize(length) + length;
    siblingCount += 1;
  }
  if (at >= end || siblingCount === 0 || bytes[at] !== tagContext) return undefined;
  const contextLength = readVarint(bytes, at + 1, end);
  if (contextLength < 0) return undefined;
  const contextStart = at + 1 + varintSize(contextLength);
  if (contextStart + contextLength !== end || !isContext(bytes, contextStart, end)) return undefined;
  const entries = readVarint(bytes, contextStart + 1, end);
  if (!dotsAreWhole(bytes, dotsStart, bodyStart, siblingCount, entries)) return undefined;
  return { siblingCount, bodyStart, contextStart };
}

function dotsAreWhole(bytes: Buffer, start: number, end: number, count: number, entries: number): boolean {
  let at = start;
  for (let i = 0; i < count; i += 1) {
    const reference = readVarint(bytes, at, end);
    if (reference < 0 || reference >= dotEntryBase + entries) return false;
    at += varintSize(reference);
    if (reference === dotUnknown) continue;
    if (reference === dotInline) at += actorBytes;
    const counter = readVarint(bytes, at, end);
    if (counter < 1) return false;
    at += varintSize(counter);
  }
  return at === end;
}

export function flagsOf(bytes: Buffer): number {
  return bytes[flagsOffset]!;
}

/** The dots of bytes that `layoutOf` accepted. */
export function readDots(bytes: Buffer, layout: Layout, clock: VersionVector): readonly (Dot | undefined)[] {
  const end = layout.bodyStart;
  let at = dotsLengthOffset + varintSize(readVarint(bytes, dotsLengthOffset, end));
  const dots: (Dot | undefined)[] = [];
  while (at < end) {
    const reference = readVarint(bytes, at, end);
    at += varintSize(reference);
    if (reference === dotUnknown) {
      dots.push(undefined);
      continue;
    }
    let actor = clock.entries[reference - dotEntryBase]?.actor;
    if (actor === undefined) {
      actor = byteStringOf(bytes, at, at + actorBytes);
      at += actorBytes;
    }
    const counter = readVarint(bytes, at, end);
    at += varintSize(counter);
    dots.push({ actor, counter });
  }
  return dots;
}

/** Views of the encoded contents of bytes that `layoutOf` accepted. */
export function readContents(bytes: Buffer, layout: Layout): readonly Buffer[] {
  const contents: Buffer[] = [];
  let at = layout.bodyStart;
  for (let i = 0; i < layout.siblingCount; i += 1) {
    const length = readVarint(bytes, at + 1, bytes.length);
    at += 1 + varintSize(length);
    contents.push(bytes.subarray(at, at + length));
    at += length;
  }
  return contents;
}

export interface Written {
  readonly bytes: Buffer;
  readonly layout: Layout;
  readonly dots: readonly (Dot | undefined)[];
}

/** Throws `EmptyObjectError` if there are no siblings. */
export function writeStoredForm(
  clock: VersionVector,
  siblings: readonly Sibling[],
  isWriteOnce = false,
): Written {
  if (siblings.length === 0) throw new EmptyObjectError();
  const ordered = siblings.length === 1 ? siblings : [...siblings].sort(byDot);
  const contextLength = contextSize(clock.entries);
  let tombstones = 0;
  let marks = 0;
  let dotsLength = 0;
  let bodyLength = fieldSize(contextLength);
  for (const { dot, content } of ordered) {
    if (isDeletedContent(content)) tombstones += 1;
    marks |= marksOfContent(content);
    dotsLength += dotSize(clock, dot);
    bodyLength += fieldSize(content.length);
  }
  const bodyStart = dotsLengthOffset + varintSize(dotsLength) + dotsLength;
  const bytes = Buffer.allocUnsafe(bodyStart + bodyLength);
  bytes[0] = format;
  bytes[flagsOffset] =
    (tombstones > 0 ? flagAnyTombstone : 0) |
    (tombstones === ordered.length ? flagAllTombstones : 0) |
    ((marks & marksIndexed) === 0 ? flagUnindexed : 0) |
    ((marks & marksExpiring) === 0 ? 0 : flagAnyExpiring) |
    ((marks & marksManifest) === 0 ? 0 : flagAnyManifest) |
    (isWriteOnce ? flagWriteOnce : 0);
  let at = writeVarint(bytes, dotsLengthOffset, dotsLength);
  for (const { dot } of ordered) at = writeDot(bytes, at, clock, dot);
  for (const { content } of ordered) at = writeField(bytes, at, tagContent, content);
  bytes[at] = tagContext;
  const contextStart = writeVarint(bytes, at + 1, contextLength);
  clock.encodeInto(bytes, contextStart);
  const layout = { siblingCount: ordered.length, bodyStart, contextStart };
  return { bytes, layout, dots: ordered.map(({ dot }) => dot) };
}

/** The body of an RpbGetResp with these contents and this context. */
export function replyBodyOf(contents: readonly Buffer[], context: Buffer): Buffer {
  let size = fieldSize(context.length);
  for (const content of contents) size += fieldSize(content.length);
  const body = Buffer.allocUnsafe(size);
  let at = 0;
  for (const content of contents) at = writeField(body, at, tagContent, content);
  writeField(body, at, tagContext, context);
  return body;
}

function fieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

function writeField(bytes: Buffer, offset: number, tag: number, field: Buffer): number {
  bytes[offset] = tag;
  const at = writeVarint(bytes, offset + 1, field.length);
  bytes.set(field, at);
  return at + field.length;
}

function referenceOf(clock: VersionVector, dot: Dot): number {
  const entry = clock.positionOf(dot.actor);
  return entry === -1 ? dotInline : dotEntryBase + entry;
}

function dotSize(clock: VersionVector, dot: Dot | undefined): number {
  if (dot === undefined) return 1;
  const reference = referenceOf(clock, dot);
  return varintSize(reference) + (reference === dotInline ? actorBytes : 0) + varintSize(dot.counter);
}

function writeDot(bytes: Buffer, offset: number, clock: VersionVector, dot: Dot | undefined): number {
  if (dot === undefined) return writeVarint(bytes, offset, dotUnknown);
  const reference = referenceOf(clock, dot);
  let at = writeVarint(bytes, offset, reference);
  if (reference === dotInline) at += bytes.write(dot.actor, at, 'latin1');
  return writeVarint(bytes, at, dot.counter);
}

/** By dot, those without one last, then by content. */
function byDot(a: Sibling, b: Sibling): number {
  if (a.dot === undefined || b.dot === undefined) {
    if (a.dot === b.dot) return a.content.compare(b.content);
    return a.dot === undefined ? 1 : -1;
  }
  if (a.dot.actor !== b.dot.actor) return a.dot.actor < b.dot.actor ? -1 : 1;
  return a.dot.counter - b.dot.counter || a.content.compare(b.content);
}
