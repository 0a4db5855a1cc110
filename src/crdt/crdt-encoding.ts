/**
 * The bytes of data types, version 1: states and deltas alike. The table is in docs/internals/crdt.md.
 * Equal values have equal bytes.
 */
import type { Buffer } from 'node:buffer';
import type { ActorId, Dot } from '../clocks/index.ts';
import { assert, type ByteString } from '../stdx/index.ts';
import { AddWinsSet } from './add-wins-set.ts';
import { CausalContext } from './causal-context.ts';
import type { Tally } from './counter.ts';
import type { Crdt, DottedCrdt } from './crdt.ts';
import { fieldOfKey } from './crdt-map.ts';
import { CrdtReader } from './crdt-reader.ts';
import { CrdtWriter } from './crdt-writer.ts';
import { type DotStore, FieldMap, type FieldState, hasRemoved, isEmptyField } from './dot-store.ts';
import { compareDots, DottedValues } from './dotted-values.ts';
import { readHyperLogLog, writeHyperLogLog } from './hyperloglog-encoding.ts';
import type { Assignment } from './lww-register.ts';
import { type MapFieldType, nestingMax } from './operation.ts';
import { SortedEntries } from './sorted-entries.ts';

const version = 1;

const typeBytes: Readonly<Record<Crdt['type'], number>> = {
  counter: 0x63,
  gset: 0x67,
  hll: 0x68,
  map: 0x6d,
  set: 0x73,
};

export function encodeCrdt(crdt: Crdt): Buffer {
  const writer = new CrdtWriter();
  writeHead(writer, crdt);
  if (crdt.type === 'gset') {
    writer.varint(crdt.elements.size);
    for (const element of crdt.elements.keys) writer.text(element);
  } else if (crdt.type === 'hll') {
    writeHyperLogLog(writer, crdt.sketch);
  } else {
    writeStore(writer, crdt.store);
  }
  return writer.finish();
}

/** All that comes before what the type holds. */
export function writeHead(writer: CrdtWriter, crdt: Crdt): void {
  writer.byte(typeBytes[crdt.type]);
  writer.byte(version);
  if (crdt.type === 'gset' || crdt.type === 'hll') return;
  writer.actors(actorsOf(crdt));
  writer.context(crdt.seen);
}

/** One of a set. */
export function writeElement(writer: CrdtWriter, element: ByteString, adds: DottedValues<Dot>): void {
  writer.text(element);
  writeDottedValues(writer, adds, writeNothing);
}

/** The data type in the bytes; throws a `CrdtFormatError` if they are anything else. */
export function decodeCrdt(bytes: Uint8Array): Crdt {
  const reader: CrdtReader = new CrdtReader(bytes);
  const type = typeOf(reader.byte());
  if (type === undefined) reader.fail('its type is unknown');
  if (reader.byte() !== version) reader.fail('its version is unknown');
  const crdt = readCrdt(reader, type);
  reader.finish();
  return crdt;
}

function typeOf(byte: number): Crdt['type'] | undefined {
  return (Object.keys(typeBytes) as Crdt['type'][]).find((type) => typeBytes[type] === byte);
}

function readCrdt(reader: CrdtReader, type: Crdt['type']): Crdt {
  if (type === 'gset') return { type, elements: readElements(reader) };
  if (type === 'hll') return { type, sketch: readHyperLogLog(reader) };
  reader.actors();
  const seen = reader.context();
  return { type, seen, store: readStore(reader, type, { seen, known: seen, depth: 0 }) };
}

/** All actors in the order of their bytes: those seen, and those of which only removals are known. */
function actorsOf({ seen, store }: DottedCrdt): readonly ActorId[] {
  const actors = seen.entries.map(({ actor }) => actor);
  if (!hasRemoved(store)) return actors;
  return [...new Set([...actors, ...actorsOfRemoved(store)])].sort((a, b) => (a < b ? -1 : 1));
}

function actorsOfRemoved(store: DotStore): readonly ActorId[] {
  return removedIn(store).flatMap(({ entries }) => entries.map(({ actor }) => actor));
}

function removedIn(store: DotStore): readonly CausalContext[] {
  switch (store.type) {
    case 'counter':
      return [store.tallies.removed];
    case 'flag':
      return [store.enables.removed];
    case 'register':
      return [store.assignments.removed];
    case 'set':
      return store.set.adds.values.map(({ removed }) => removed);
    case 'map':
      return store.map.fields.values.flatMap(({ touches, store: below, removed }) => [
        touches.removed,
        removed,
        ...removedIn(below),
      ]);
  }
}

function writeStore(writer: CrdtWriter, store: DotStore): void {
  switch (store.type) {
    case 'counter':
      writeDottedValues(writer, store.tallies, writeTally);
      return;
    case 'flag':
      writeDottedValues(writer, store.enables, writeNothing);
      return;
    case 'register':
      writeDottedValues(writer, store.assignments, writeAssignment);
      return;
    case 'set': {
      const { adds } = store.set;
      writer.varint(adds.size);
      for (let i = 0; i < adds.size; i += 1) {
        writeElement(writer, adds.keys[i], adds.values[i]);
      }
      return;
    }
    case 'map': {
      const { fields } = store.map;
      writer.varint(fields.size);
      fields.values.forEach((field, i) => {
        writer.text(fields.keys[i]);
        writer.context(field.removed);
        writeDottedValues(writer, field.touches, writeNothing);
        writeStore(writer, field.store);
      });
      return;
    }
  }
}

type WriteValue<D extends Dot> = (writer: CrdtWriter, value: D) => void;

function writeDottedValues<D extends Dot>(
  writer: CrdtWriter,
  { dots, removed }: DottedValues<D>,
  writeValue: WriteValue<D>,
): void {
  writer.varint(dots.length * 2 + (removed.isEmpty ? 0 : 1));
  for (const dot of dots) {
    writer.dot(dot);
    writeValue(writer, dot);
  }
  if (!removed.isEmpty) writer.context(removed);
}

function writeNothing(): void {}

function writeTally(writer: CrdtWriter, { added, taken }: Tally): void {
  writer.bigVarint(added);
  writer.bigVarint(taken);
}

function writeAssignment(writer: CrdtWriter, { micros, value }: Assignment): void {
  writer.varint(micros);
  writer.text(value);
}

/** What the parts of a value that is read must fit to. */
interface ReadScope {
  readonly seen: CausalContext;
  /** The dots that were seen or are removed further up: nothing here may remove them again. */
  readonly known: CausalContext;
  readonly depth: number;
}

function readStore(reader: CrdtReader, type: MapFieldType, scope: ReadScope): DotStore {
  switch (type) {
    case 'counter':
      return { type, tallies: readDottedValues(reader, scope, readTally) };
    case 'flag':
      return { type, enables: readDottedValues(reader, scope, readNothing) };
    case 'register':
      return { type, assignments: readDottedValues(reader, scope, readAssignment) };
    case 'set':
      return { type, set: readSet(reader, scope) };
    case 'map':
      return { type, map: readMap(reader, { ...scope, depth: scope.depth + 1 }) };
  }
}

type ReadValue<D extends Dot> = (reader: CrdtReader, dot: Dot) => D;

function readDottedValues<D extends Dot>(
  reader: CrdtReader,
  { seen, known }: ReadScope,
  readValue: ReadValue<D>,
): DottedValues<D> {
  const header = reader.varint();
  const dots: D[] = [];
  for (let left = Math.floor(header / 2); left > 0; left -= 1) {
    const dot = readValue(reader, reader.dot());
    if (!seen.covers(dot)) reader.fail('a dot was not seen');
    if (dots.length > 0 && compareDots(dots[dots.length - 1], dot) >= 0) reader.fail('dots do not ascend');
    dots.push(dot);
  }
  const removed = header % 2 === 0 ? CausalContext.empty : readRemoved(reader, known);
  if (header % 2 === 1 && removed.isEmpty) reader.fail('a removal of nothing');
  return DottedValues.of(dots, removed);
}

function readRemoved(reader: CrdtReader, known: CausalContext): CausalContext {
  const removed = reader.context();
  if (!removed.isDisjointFrom(known)) reader.fail('a removal was carried out already');
  return removed;
}

function readNothing(_: CrdtReader, dot: Dot): Dot {
  return dot;
}

function readTally(reader: CrdtReader, { actor, counter }: Dot): Tally {
  return { actor, counter, added: reader.bigVarint(), taken: reader.bigVarint() };
}

function readAssignment(reader: CrdtReader, { actor, counter }: Dot): Assignment {
  return { actor, counter, micros: reader.varint(), value: reader.text() };
}

function readSet(reader: CrdtReader, scope: ReadScope): AddWinsSet {
  let hasRemovedAdds = false;
  const adds = readEntries(reader, 2, () => {
    const values = readDottedValues(reader, scope, readNothing);
    if (values.isEmpty) reader.fail('an element has no add');
    if (!values.removed.isEmpty) hasRemovedAdds = true;
    return values;
  });
  return AddWinsSet.of(adds, hasRemovedAdds);
}

function readMap(reader: CrdtReader, scope: ReadScope): FieldMap {
  if (scope.depth > nestingMax) reader.fail(`maps nest deeper than ${nestingMax}`);
  const fields = readEntries<FieldState>(reader, 5, (key) => {
    const field = fieldOfKey(key);
    if (field === undefined) reader.fail('a field has no type');
    const removed = readRemoved(reader, scope.known);
    const below = removed.isEmpty ? scope : { ...scope, known: scope.known.union(removed) };
    const touches = readDottedValues(reader, below, readNothing);
    const state = { touches, store: readStore(reader, field.type, below), removed };
    if (isEmptyField(state)) reader.fail('a field has nothing');
    return state;
  });
  return FieldMap.of(fields);
}

function readElements(reader: CrdtReader): SortedEntries<true> {
  return readEntries<true>(reader, 1, () => true);
}

/** Entries of at least `bytesMin` bytes, with ascending keys. */
function readEntries<V>(
  reader: CrdtReader,
  bytesMin: number,
  readValue: (key: ByteString) => V,
): SortedEntries<V> {
  const count = reader.count(bytesMin);
  const keys: ByteString[] = [];
  const values: V[] = [];
  for (let i = 0; i < count; i += 1) {
    const key = reader.text();
    if (i > 0 && keys[i - 1] >= key) reader.fail('keys do not ascend');
    keys.push(key);
    values.push(readValue(key));
  }
  assert(keys.length === values.length, 'every key has its value');
  return SortedEntries.ofSorted(keys, values);
}
