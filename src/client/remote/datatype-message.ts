/** Operations on data types as messages, and their values read from messages. */
import type { Buffer } from 'node:buffer';
import type { CrdtOperation, CrdtType, CrdtValue, MapFieldType, MapOperation } from '../../crdt/index.ts';
import { type ByteString, unreachable } from '../../stdx/index.ts';
import {
  dataType,
  dtFetchReq,
  type dtFetchResp,
  type dtOp,
  dtUpdateReq,
  type Encodable,
  encodeFrame,
  flagOp,
  type MapOp,
  type MapUpdate,
  type MessageOf,
  mapFieldType,
} from '../../wire/index.ts';
import type { ReadOptions } from '../call-options.ts';
import { HaleError } from '../hale-error.ts';
import type { BucketName, DatatypeSnapshot, DatatypeUpdateOptions, ObjectName } from '../transport.ts';
import { numberOfQuorum } from './quorum-number.ts';

type DtFetched = MessageOf<typeof dtFetchResp>;
type MapEntries = Extract<CrdtValue, { readonly type: 'map' }>['value'];
type MapUpdated = MapOperation['updates'][number];
type SetSteps = Extract<CrdtOperation, { readonly kind: 'set' }>['steps'];
type StoredEntry = NonNullable<DtFetched['value']>['map_value'][number];

const typesByNumber: ReadonlyMap<number, CrdtType> = new Map(
  (Object.keys(dataType) as CrdtType[]).map((type) => [dataType[type], type]),
);
const fieldTypesByNumber: ReadonlyMap<number, MapFieldType> = new Map(
  (Object.keys(mapFieldType) as MapFieldType[]).map((type) => [mapFieldType[type], type]),
);

export function fetchRequest(name: ObjectName, options: ReadOptions, timeout: number): Buffer {
  return encodeFrame(dtFetchReq, {
    type: name.bucketType,
    bucket: name.bucket,
    key: name.key,
    r: numberOfQuorum(options.r),
    pr: numberOfQuorum(options.pr),
    basic_quorum: options.basicQuorum,
    notfound_ok: options.notfoundOk,
    timeout,
  });
}

export function updateRequest(
  name: BucketName,
  key: ByteString | undefined,
  operation: CrdtOperation,
  options: DatatypeUpdateOptions,
  timeout: number,
): Buffer {
  return encodeFrame(dtUpdateReq, {
    type: name.bucketType,
    bucket: name.bucket,
    key,
    op: messageOfOperation(operation),
    context: options.context,
    w: numberOfQuorum(options.w),
    dw: numberOfQuorum(options.dw),
    pw: numberOfQuorum(options.pw),
    timeout,
  });
}

function messageOfOperation(operation: CrdtOperation): Encodable<MessageOf<typeof dtOp>> {
  switch (operation.kind) {
    case 'counter':
      return { counter_op: { increment: operation.increment } };
    case 'set':
      return { set_op: setOpOf(operation.steps) };
    case 'gset':
      return { gset_op: { adds: operation.adds } };
    case 'hll':
      return { hll_op: { adds: operation.adds } };
    case 'map':
      return { map_op: mapOpOf(operation) };
    default:
      return unreachable(operation);
  }
}

function setOpOf(steps: SetSteps) {
  const elements = (wanted: 'add' | 'remove') =>
    steps.flatMap((step) => (step.kind === wanted ? step.elements : []));
  return { adds: elements('add'), removes: elements('remove') };
}

function mapOpOf({ removes, updates }: MapOperation): MapOp {
  return {
    removes: removes.map(({ name, type }) => ({ name, type: mapFieldType[type] })),
    updates: updates.map(mapUpdateOf),
  };
}

function mapUpdateOf({ field, operation }: MapUpdated): MapUpdate {
  const named = { field: { name: field.name, type: mapFieldType[field.type] } };
  switch (operation.kind) {
    case 'counter':
      return { ...named, counter_op: { increment: operation.increment } };
    case 'set':
      return { ...named, set_op: setOpOf(operation.steps) };
    case 'register':
      return { ...named, register_op: operation.value };
    case 'flag':
      return { ...named, flag_op: operation.enable ? flagOp.enable : flagOp.disable };
    case 'map':
      return { ...named, map_op: mapOpOf(operation) };
    default:
      return unreachable(operation);
  }
}

/** Undefined: nothing is stored. Throws `protocol`. */
export function snapshotOfMessage({ type, value, context }: DtFetched): DatatypeSnapshot | undefined {
  if (value === undefined) return undefined;
  const known = typesByNumber.get(type);
  switch (known) {
    case 'counter':
      return { value: { type: known, value: value.counter_value ?? 0n }, context };
    case 'set':
      return { value: { type: known, value: value.set_value }, context };
    case 'gset':
      return { value: { type: known, value: value.gset_value }, context };
    case 'hll':
      return { value: { type: known, value: Number(value.hll_value ?? 0n) }, context };
    case 'map':
      return { value: { type: known, value: entriesOf(value.map_value) }, context };
    default:
      throw new HaleError('protocol', `the node answered with the unknown data type ${type}`);
  }
}

function entriesOf(entries: readonly StoredEntry[]): MapEntries {
  return entries.map((entry) => {
    const type = fieldTypesByNumber.get(entry.field.type);
    if (type === undefined) {
      throw new HaleError('protocol', `the node answered with a field of unknown type ${entry.field.type}`);
    }
    return { field: { name: entry.field.name, type }, value: fieldValueOf(type, entry) };
  });
}

function fieldValueOf(type: MapFieldType, entry: StoredEntry): MapEntries[number]['value'] {
  switch (type) {
    case 'counter':
      return { type, value: entry.counter_value ?? 0n };
    case 'set':
      return { type, value: entry.set_value };
    case 'register':
      return { type, value: entry.register_value };
    case 'flag':
      return { type, value: entry.flag_value ?? false };
    case 'map':
      return { type, value: entriesOf(entry.map_value) };
    default:
      return unreachable(type);
  }
}
