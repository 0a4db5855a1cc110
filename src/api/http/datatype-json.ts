/** Operations on data types as JSON, and values as JSON: Riak's forms. */
import { Buffer, isUtf8 } from 'node:buffer';
import type {
  CrdtOperation,
  CrdtType,
  CrdtValue,
  DatatypeMapEntry,
  DatatypeMapField,
  FieldOperation,
  MapFieldType,
  MapOperation,
  SetStep,
} from '../../kv/index.ts';
import { type ByteString, bufferOf, bytesOfText, textOfBytes, unreachable } from '../../stdx/index.ts';
import { type JsonNode, printJson } from './ordered-json.ts';

/** The body is JSON, and no operation. `message` is the text of the 400. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
}

/** The value has bytes that are no text. */
export class NotTextError extends Error {
  override readonly name = 'NotTextError';
}

export interface JsonUpdate {
  readonly operation: CrdtOperation;
  readonly context: Buffer | undefined;
}

/** Throws `OperationError`. */
export function updateOfJson(type: CrdtType, json: JsonNode): JsonUpdate {
  const operation = type === 'gset' || type === 'hll' ? addsOf(type, json) : fieldOperationOf(type, json);
  return { operation: operation as CrdtOperation, context: contextOf(json) };
}

function contextOf(json: JsonNode): Buffer | undefined {
  if (json.kind !== 'object') return undefined;
  const context = json.members.find(({ name }) => name === 'context')?.value;
  return context?.kind === 'string' ? Buffer.from(context.value, 'base64') : undefined;
}

function fieldOperationOf(type: MapFieldType, json: JsonNode): FieldOperation {
  switch (type) {
    case 'counter':
      return { kind: type, increment: incrementOf(json) ?? invalid(type, json) };
    case 'set':
      return { kind: type, steps: stepsOf(type, json) };
    case 'register':
      return { kind: type, value: bytesOfText(assignedText(json) ?? invalid(type, json)) };
    case 'flag':
      return { kind: type, enable: isEnabled(json) ?? invalid(type, json) };
    case 'map':
      return mapOperationOf(json);
    default:
      return unreachable(type);
  }
}

function incrementOf(json: JsonNode): bigint | undefined {
  if (json.kind === 'number') return integerOf(json);
  if (json.kind === 'string') {
    return json.value === 'increment' ? 1n : json.value === 'decrement' ? -1n : undefined;
  }
  if (json.kind !== 'object') return undefined;
  const [member, ...more] = json.members.filter(({ name }) => name !== 'context');
  if (member === undefined || more.length > 0) return undefined;
  const by = integerOf(member.value);
  if (by === undefined) return undefined;
  return member.name === 'increment' ? by : member.name === 'decrement' ? -by : undefined;
}

/** Longer ones fit into no 64 bits, and would take long to read. */
const integer = /^-?\d{1,20}$/;

function integerOf(json: JsonNode): bigint | undefined {
  return json.kind === 'number' && integer.test(json.text) ? BigInt(json.text) : undefined;
}

function assignedText(json: JsonNode): string | undefined {
  if (json.kind === 'string') return json.value;
  if (json.kind !== 'object' || json.members.length !== 1) return undefined;
  const [{ name, value }] = json.members as [{ name: string; value: JsonNode }];
  return name === 'assign' && value.kind === 'string' ? value.value : undefined;
}

function isEnabled(json: JsonNode): boolean | undefined {
  if (json.kind !== 'string') return undefined;
  return json.value === 'enable' ? true : json.value === 'disable' ? false : undefined;
}

/** In the order of the members. */
function stepsOf(type: CrdtType, json: JsonNode): readonly SetStep[] {
  if (json.kind !== 'object') return invalid(type, json);
  const steps: SetStep[] = [];
  for (const { name, value } of json.members) {
    if (name === 'context') continue;
    if (name === 'update') {
      // Not by a spread: a client may send more items than the stack holds.
      for (const item of itemsOf(value)) for (const step of stepsOf(type, item)) steps.push(step);
    } else {
      const step = stepOf(name, value);
      if (step === undefined || (type !== 'set' && step.kind === 'remove')) return invalid(type, json);
      steps.push(step);
    }
  }
  return steps.length === 0 ? invalid(type, json) : steps;
}

function stepOf(name: string, value: JsonNode): SetStep | undefined {
  const isOne = name === 'add' || name === 'remove';
  const isMany = name === 'add_all' || name === 'remove_all';
  const texts = isOne
    ? textsOf([value])
    : isMany && value.kind === 'array'
      ? textsOf(value.items)
      : undefined;
  return texts && { kind: name.startsWith('add') ? 'add' : 'remove', elements: texts };
}

function textsOf(items: readonly JsonNode[]): readonly ByteString[] | undefined {
  const texts: ByteString[] = [];
  for (const item of items) {
    if (item.kind !== 'string') return undefined;
    texts.push(bytesOfText(item.value));
  }
  return texts;
}

function addsOf(kind: 'gset' | 'hll', json: JsonNode): CrdtOperation {
  return { kind, adds: stepsOf(kind, json).flatMap(({ elements }) => elements) };
}

function mapOperationOf(json: JsonNode): MapOperation {
  if (json.kind !== 'object') return invalid('map', json);
  const removes: DatatypeMapField[] = [];
  const updates: { field: DatatypeMapField; operation: FieldOperation }[] = [];
  for (const { name, value } of json.members) {
    if (name === 'remove') {
      for (const item of itemsOf(value)) {
        removes.push(item.kind === 'string' ? fieldOf(item.value) : invalid('map', json));
      }
    } else if (name === 'update') {
      if (value.kind !== 'object') return invalid('map', json);
      for (const member of value.members) {
        const field = fieldOf(member.name);
        updates.push({ field, operation: fieldOperationOf(field.type, member.value) });
      }
    } else if (name !== 'context') return invalid('map', json);
  }
  return removes.length + updates.length === 0 ? invalid('map', json) : { kind: 'map', removes, updates };
}

function itemsOf(json: JsonNode): readonly JsonNode[] {
  return json.kind === 'array' ? json.items : [json];
}

const fieldName = /^(.*)_(counter|flag|map|register|set)$/s;

function fieldOf(text: string): DatatypeMapField {
  const [, name, type] = fieldName.exec(text) ?? [];
  if (name === undefined) throw new OperationError(`Invalid map field name '${text}'\n`);
  return { name: bytesOfText(name), type: type as MapFieldType };
}

function invalid(type: CrdtType | MapFieldType, json: JsonNode): never {
  throw new OperationError(`Invalid operation on datatype '${type}': ${printJson(json)}\n`);
}

/** Throws `NotTextError`. */
export function jsonOfValue(value: CrdtValue, context: Buffer | undefined): string {
  const shown = `{"type":"${value.type}","value":${valueText(value)}`;
  return context === undefined ? `${shown}}` : `${shown},"context":"${context.toString('base64')}"}`;
}

function valueText(value: CrdtValue | DatatypeMapEntry['value']): string {
  switch (value.type) {
    case 'counter':
    case 'hll':
    case 'flag':
      return String(value.value);
    case 'set':
    case 'gset':
      return `[${value.value.map(quotedText).join(',')}]`;
    case 'register':
      return value.value === undefined ? '""' : quotedText(value.value);
    case 'map':
      return `{${value.value.map(memberText).join(',')}}`;
    default:
      return unreachable(value);
  }
}

function memberText({ field, value }: DatatypeMapEntry): string {
  return `${quotedText(`${field.name}_${field.type}` as ByteString)}:${valueText(value)}`;
}

const beyondAscii = /[\x80-\xff]/;

function quotedText(bytes: ByteString): string {
  if (!beyondAscii.test(bytes)) return JSON.stringify(bytes);
  if (!isUtf8(bufferOf(bytes))) throw new NotTextError('the value holds bytes that are not UTF-8 text');
  return JSON.stringify(textOfBytes(bytes));
}
