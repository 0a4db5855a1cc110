/**
 * The encoding of a large set after an update, made of the one before it: what both have is copied as bytes, in as few
 * pieces as there are changes, instead of being written element by element.
 *
 * It is the very encoding that `encodeCrdt` makes. That holds because equal values have equal bytes, and an element's bytes
 * depend on itself and on the table of actors alone: where that has changed, all is written anew.
 */
import type { Buffer } from 'node:buffer';
import { actorBytes } from '../clocks/index.ts';
import { assert, readVarint } from '../stdx/index.ts';
import type { AddWinsSet } from './add-wins-set.ts';
import type { CausalContext } from './causal-context.ts';
import type { Crdt } from './crdt.ts';
import { encodeCrdt, writeElement, writeHead } from './crdt-encoding.ts';
import { CrdtWriter } from './crdt-writer.ts';
import { ofType } from './dot-store.ts';

/** A data type and its encoding. */
export interface EncodedCrdt {
  readonly crdt: Crdt;
  readonly bytes: Buffer;
}

/** More than an update adds mostly, so that the buffer seldom has to grow. */
const roomForChanges = 1024;
const moreFollows = 0x80;
/** Type and version. */
const tagBytes = 2;

/** `encodeCrdt(crdt)`. `before` is what `crdt` was made from, and shares with it all that has not changed. */
export function encodeCrdtAfter(crdt: Crdt, before: EncodedCrdt | undefined): Buffer {
  if (before?.crdt.type !== 'set' || crdt.type !== 'set') return encodeCrdt(crdt);
  const { set } = ofType(crdt.store, 'set');
  const { set: old } = ofType(before.crdt.store, 'set');
  if (set.hasRemoved || old.hasRemoved || !haveSameActors(crdt.seen, before.crdt.seen))
    return encodeCrdt(crdt);
  const writer = new CrdtWriter(before.bytes.length + roomForChanges);
  writeHead(writer, crdt);
  writer.varint(set.adds.size);
  writeElements(writer, set, old, before.bytes);
  return writer.finish();
}

function haveSameActors({ entries: a }: CausalContext, { entries: b }: CausalContext): boolean {
  return a.length === b.length && a.every(({ actor }, i) => actor === b[i]!.actor);
}

/** Walks along both: `at` is where the old element `i` is in `bytes`, and all from `copied` on is still to be copied. */
function writeElements(
  writer: CrdtWriter,
  { adds }: AddWinsSet,
  { adds: old }: AddWinsSet,
  bytes: Buffer,
): void {
  let at = firstElementAt(bytes);
  let copied = at;
  let i = 0;
  for (let j = 0; j < adds.size || i < old.size; ) {
    const isKept =
      j < adds.size && i < old.size && adds.values[j] === old.values[i] && adds.keys[j] === old.keys[i];
    if (isKept) {
      at = afterElement(bytes, at);
      i += 1;
      j += 1;
      continue;
    }
    writer.copy(bytes, copied, at);
    const isOldNext = i < old.size && (j >= adds.size || old.keys[i]! <= adds.keys[j]!);
    const isReplaced = isOldNext && old.keys[i] === adds.keys[j];
    if (isOldNext) {
      at = afterElement(bytes, at);
      i += 1;
    }
    if (!isOldNext || isReplaced) {
      writeElement(writer, adds.keys[j]!, adds.values[j]!);
      j += 1;
    }
    copied = at;
  }
  assert(at === bytes.length, 'the bytes are those of the old elements');
  writer.copy(bytes, copied, at);
}

/** Behind the actors, what was seen, and the number of elements. */
function firstElementAt(bytes: Buffer): number {
  const actors = readVarint(bytes, tagBytes, bytes.length);
  let at = afterVarints(bytes, tagBytes, 1) + actors * actorBytes;
  const entries = readVarint(bytes, at, bytes.length);
  at = afterVarints(bytes, at, 1);
  for (let entry = 0; entry < entries; entry += 1) {
    at = afterVarints(bytes, at, 1);
    const ranges = readVarint(bytes, at, bytes.length);
    at = afterVarints(bytes, at, 1 + 2 * ranges);
  }
  return afterVarints(bytes, at, 1);
}

/** Its length, itself, twice the number of its dots, and they. */
function afterElement(bytes: Buffer, start: number): number {
  const length = bytes[start]! < moreFollows ? bytes[start]! : readVarint(bytes, start, bytes.length);
  const at = afterVarints(bytes, start, 1) + length;
  const header = bytes[at]! < moreFollows ? bytes[at]! : readVarint(bytes, at, bytes.length);
  return afterVarints(bytes, at, 1 + header);
}

function afterVarints(bytes: Buffer, start: number, count: number): number {
  let at = start;
  for (let left = count; left > 0; left -= 1) {
    while (bytes[at]! >= moreFollows) at += 1;
    at += 1;
  }
  return at;
}
