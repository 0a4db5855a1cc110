/**
 * Errors between nodes: a number for the code, then its fields. The numbers stand on the wire; none is ever used
 * for something else. What is refused at the door, before anything is asked of a replica, never travels.
 */
import { Buffer } from 'node:buffer';
import { assert, readVarint, varintSize, writeVarint } from '../../stdx/index.ts';
import type { KvError } from '../kv-error.ts';

type TravellingCode = Exclude<
  KvError['code'],
  | 'bad_index'
  | 'too_large_to_assemble'
  | 'chunk_missing'
  | 'precommit_fail'
  | 'bad_query'
  | 'invalid_properties'
  | 'no_datatype'
  | 'needs_allow_mult'
  | 'no_feed'
  | 'being_dropped'
  | 'bad_cursor'
  | 'too_many_feeds'
>;

type Field = 'number' | 'text' | readonly string[];

interface Shape {
  readonly number: number;
  readonly fields: readonly (readonly [name: string, field: Field])[];
}

const quorums = ['r', 'w', 'pr', 'pw', 'dw', 'node_confirms'] as const;

const shapes: Readonly<Record<TravellingCode, Shape>> = {
  timeout: { number: 1, fields: [] },
  overload: { number: 2, fields: [] },
  n_val_violation: { number: 3, fields: [['nVal', 'number']] },
  quorum_unsatisfied: {
    number: 4,
    fields: [
      ['quorum', quorums],
      ['wanted', 'number'],
      ['got', 'number'],
    ],
  },
  insufficient_vnodes: {
    number: 5,
    fields: [
      ['up', 'number'],
      ['needed', 'number'],
    ],
  },
  insufficient_nodes: {
    number: 6,
    fields: [
      ['up', 'number'],
      ['needed', 'number'],
    ],
  },
  all_nodes_down: { number: 7, fields: [] },
  insufficient_vnodes_available: { number: 8, fields: [] },
  bad_context: { number: 9, fields: [] },
  bad_content: { number: 10, fields: [['reason', 'text']] },
  bad_name: {
    number: 11,
    fields: [
      ['what', ['type', 'bucket', 'key']],
      ['reason', ['empty', 'too_long']],
    ],
  },
  unknown_bucket_type: { number: 12, fields: [['bucketType', 'text']] },
  too_large: {
    number: 13,
    fields: [
      ['bytes', 'number'],
      ['bytesMax', 'number'],
    ],
  },
  too_many_siblings: {
    number: 14,
    fields: [
      ['siblings', 'number'],
      ['siblingsMax', 'number'],
    ],
  },
  match_found: { number: 15, fields: [] },
  modified: { number: 16, fields: [] },
  notfound: { number: 17, fields: [] },
  storage: { number: 18, fields: [['reason', 'text']] },
  no_majority: { number: 19, fields: [['reason', 'text']] },
  stopping: { number: 20, fields: [] },
  not_present: {
    number: 21,
    fields: [
      ['name', 'text'],
      ['what', ['element', 'counter', 'flag', 'map', 'register', 'set']],
    ],
  },
  type_mismatch: {
    number: 22,
    fields: [
      ['expected', 'text'],
      ['actual', 'text'],
    ],
  },
  nested_too_deep: { number: 23, fields: [['nestingMax', 'number']] },
  increment_out_of_range: { number: 24, fields: [['increment', 'text']] },
};

const shapeOf: ReadonlyMap<string, Shape> = new Map(Object.entries(shapes));
const codeOf: ReadonlyMap<number, string> = new Map(
  Object.entries(shapes).map(([code, { number }]) => [number, code]),
);

/** Bytes of one text: a reason is for people, and may be cut. */
const textBytesMax = 1024;

/** Bytes that `writeError` writes. */
export function errorBytes(error: KvError): number {
  return encodedError(error).length;
}

/** Returns the offset after what it wrote. */
export function writeError(error: KvError, into: Buffer, at: number): number {
  return at + encodedError(error).copy(into, at);
}

/** Reads all of bytes `start` to `end`. Undefined: malformed, or of a later version. */
export function readError(bytes: Buffer, start: number, end: number): KvError | undefined {
  const code = codeOf.get(bytes[start] ?? 0);
  const shape = code === undefined ? undefined : shapeOf.get(code);
  if (code === undefined || shape === undefined || start >= end) return undefined;
  const values: [string, number | string][] = [['code', code]];
  let at = start + 1;
  for (const [name, field] of shape.fields) {
    const number = readVarint(bytes, at, end);
    if (number < 0) return undefined;
    at += varintSize(number);
    if (field === 'number') values.push([name, number]);
    else if (field === 'text') {
      if (number > textBytesMax || number > end - at) return undefined;
      values.push([name, bytes.toString('utf8', at, at + number)]);
      at += number;
    } else {
      const word = field[number];
      if (word === undefined) return undefined;
      values.push([name, word]);
    }
  }
  return at === end ? (Object.fromEntries(values) as unknown as KvError) : undefined;
}

function encodedError(error: KvError): Buffer {
  const shape = shapeOf.get(error.code);
  assert(shape !== undefined, `an error that is refused at the door does not travel: ${error.code}`);
  const values: ReadonlyMap<string, unknown> = new Map(Object.entries(error));
  const parts: Buffer[] = [Buffer.from([shape.number])];
  for (const [name, field] of shape.fields) {
    const value = values.get(name);
    if (field === 'number') parts.push(varint(Math.max(0, Math.floor(Number(value)))));
    else if (field === 'text') {
      const text = Buffer.from(String(value), 'utf8').subarray(0, textBytesMax);
      parts.push(varint(text.length), text);
    } else parts.push(varint(field.indexOf(String(value))));
  }
  return Buffer.concat(parts);
}

function varint(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(varintSize(value));
  writeVarint(bytes, 0, value);
  return bytes;
}
