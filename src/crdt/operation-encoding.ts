/**
 * Operations as bytes, for the node that is to carry one out instead of the node that took it:
 *
 *   1 byte letter of the type · body
 *
 *   counter    1 byte: 1 to decrement · by how much, as quotient and remainder by 2^53
 *   gset, hll  list of texts
 *   set        list of: 1 byte: 1 to remove · list of texts
 *   map        list of fields to remove · list of: field · body of its operation
 *   register   text
 *   flag       1 byte: 1 to enable
 *
 * A field is its name and the letter of its type as one text. Equal operations have equal bytes.
 */
import type { Buffer } from 'node:buffer';
import type { ByteString } from '../stdx/index.ts';
import { checkIncrement } from './counter.ts';
import { fieldKey, fieldOfKey } from './crdt-map.ts';
import { CrdtFormatError, CrdtReader } from './crdt-reader.ts';
import { CrdtWriter } from './crdt-writer.ts';
import {
  type CrdtOperation,
  type FieldOperation,
  type MapField,
  type MapFieldType,
  type MapOperation,
  nestingMax,
  type Refusal,
  type SetStep,
} from './operation.ts';

type Operation = CrdtOperation | FieldOperation;

const kindBytes = { counter: 0x63, gset: 0x67, hll: 0x68, map: 0x6d, set: 0x73 } as const;

/** Why no value at all could take this operation; undefined if some could. */
export function checkOperation(operation: Operation, depth = 0): Refusal | undefined {
  if (operation.kind === 'counter') return checkIncrement(operation.increment);
  if (operation.kind !== 'map') return undefined;
  if (depth >= nestingMax) return { kind: 'nested_too_deep', nestingMax };
  for (const { field, operation: below } of operation.updates) {
    if (field.type !== below.kind) {
      return { kind: 'type_mismatch', expected: field.type, actual: below.kind };
    }
    const refusal = checkOperation(below, depth + 1);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** Of an operation that `checkOperation` lets pass. */
export function encodeOperation(operation: CrdtOperation): Buffer {
  const writer = new CrdtWriter();
  writer.byte(kindBytes[operation.kind]);
  writeOperation(writer, operation);
  return writer.finish();
}

/** Undefined if the bytes are anything but what `encodeOperation` writes. */
export function decodeOperation(bytes: Uint8Array): CrdtOperation | undefined {
  const reader = new CrdtReader(bytes);
  try {
    const letter = reader.byte();
    const kinds = Object.keys(kindBytes) as (keyof typeof kindBytes)[];
    const kind = kinds.find((candidate) => kindBytes[candidate] === letter);
    if (kind === undefined) return undefined;
    const operation = readOperation(reader, kind);
    reader.finish();
    return operation;
  } catch (error) {
    if (error instanceof CrdtFormatError) return undefined;
    throw error;
  }
}

function writeOperation(writer: CrdtWriter, operation: Operation): void {
  switch (operation.kind) {
    case 'counter': {
      const { increment } = operation;
      writer.byte(increment < 0n ? 1 : 0);
      writer.bigVarint(increment < 0n ? -increment : increment);
      return;
    }
    case 'gset':
    case 'hll':
      writeTexts(writer, operation.adds);
      return;
    case 'set':
      writer.varint(operation.steps.length);
      for (const { kind, elements } of operation.steps) {
        writer.byte(kind === 'remove' ? 1 : 0);
        writeTexts(writer, elements);
      }
      return;
    case 'register':
      writer.text(operation.value);
      return;
    case 'flag':
      writer.byte(operation.enable ? 1 : 0);
      return;
    case 'map':
      writeTexts(writer, operation.removes.map(fieldKey));
      writer.varint(operation.updates.length);
      for (const { field, operation: below } of operation.updates) {
        writer.text(fieldKey(field));
        writeOperation(writer, below);
      }
      return;
  }
}

function writeTexts(writer: CrdtWriter, texts: readonly ByteString[]): void {
  writer.varint(texts.length);
  for (const text of texts) writer.text(text);
}

function readOperation(reader: CrdtReader, kind: CrdtOperation['kind']): CrdtOperation {
  if (kind === 'gset' || kind === 'hll') return { kind, adds: readTexts(reader) };
  return readFieldOperation(reader, kind, 0) as CrdtOperation;
}

function readFieldOperation(reader: CrdtReader, kind: MapFieldType, depth: number): FieldOperation {
  switch (kind) {
    case 'counter': {
      const isDecrement = readFlag(reader);
      const amount = reader.bigVarint();
      if (isDecrement && amount === 0n) reader.fail('a decrement by nothing');
      return { kind, increment: isDecrement ? -amount : amount };
    }
    case 'set':
      return { kind, steps: readList(reader, 2, () => readStep(reader)) };
    case 'register':
      return { kind, value: reader.text() };
    case 'flag':
      return { kind, enable: readFlag(reader) };
    case 'map':
      return readMapOperation(reader, depth + 1);
  }
}

function readStep(reader: CrdtReader): SetStep {
  const kind = readFlag(reader) ? 'remove' : 'add';
  return { kind, elements: readTexts(reader) };
}

function readMapOperation(reader: CrdtReader, depth: number): MapOperation {
  if (depth > nestingMax) reader.fail(`maps nest deeper than ${nestingMax}`);
  const removes = readList(reader, 2, () => readField(reader));
  const updates = readList(reader, 3, () => {
    const field = readField(reader);
    return { field, operation: readFieldOperation(reader, field.type, depth) };
  });
  return { kind: 'map', removes, updates };
}

function readField(reader: CrdtReader): MapField {
  const field = fieldOfKey(reader.text());
  if (field === undefined) reader.fail('a field has no type');
  return field;
}

function readFlag(reader: CrdtReader): boolean {
  const byte = reader.byte();
  if (byte > 1) reader.fail('a flag is neither 0 nor 1');
  return byte === 1;
}

function readTexts(reader: CrdtReader): readonly ByteString[] {
  return readList(reader, 1, () => reader.text());
}

function readList<T>(reader: CrdtReader, bytesMin: number, readItem: () => T): readonly T[] {
  const items: T[] = [];
  for (let left = reader.count(bytesMin); left > 0; left -= 1) items.push(readItem());
  return items;
}
